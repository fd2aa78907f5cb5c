-- Extensions, and a type of every sort that a dump has to carry.
create extension citext;
create extension hstore;
create extension pgcrypto;
create extension btree_gist;
create extension pg_trgm;

create schema billing authorization shop_owner;
comment on schema billing is 'Invoices and payments: kept ten years by law.';

create type order_status as enum ('cart', 'placed', 'paid', 'packed', 'shipped', 'delivered', 'returned');
create type postal_address as (street text, town text, post_code text, country character(2));
create type price_range as range (subtype = numeric);
create domain email as citext check (value ~ '^[^@\s]+@[^@\s]+$');
create domain positive_amount as numeric(12, 2) check (value >= 0);

alter type order_status owner to shop_owner;
alter type postal_address owner to shop_owner;
alter type price_range owner to shop_owner;
alter domain email owner to shop_owner;
alter domain positive_amount owner to shop_owner;

-- Text search that knows no stop words: a configuration is an object of its own in a dump.
create text search configuration catalogue (copy = pg_catalog.simple);
