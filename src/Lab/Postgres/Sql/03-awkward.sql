-- What real databases have and demos do not: each of these has broken somebody's backup.

-- Names that need quotes, are not ASCII, or are words of the language.
create table "Ordré 表" ("Nº" integer primary key, "select" text, "naïve ""quoted"" column" text, "日付" date);
insert into "Ordré 表"
select n, 'row ' || n, E'tab\there, back\\slash, "quotes", new\nline, emoji 🚢', date '2024-02-29' + n from generate_series(1, 200) n;
comment on column "Ordré 表"."日付" is 'Das Datum — 日付 — la date';

create table "select" ("from" integer, "where" text);
insert into "select" values (1, 'null'), (2, null), (3, ''), (4, '\N');

-- No primary key, and rows that are equal in every column: a digest by XOR would lose them.
create table page_views (path text not null, seen_on date not null);
insert into page_views select '/product/' || n % 7, date '2026-01-01' + n % 3 from generate_series(1, 420) n;
insert into page_views values ('/once', '2026-01-01');

create table wishlists (customer_id bigint, product_id integer);
comment on table wishlists is 'Empty, and to stay so after a restore.';

create unlogged table sessions (token uuid primary key default gen_random_uuid(), seen_at timestamptz not null default now());
insert into sessions (seen_at) select now() - make_interval(secs => n) from generate_series(1, 50) n;

-- One column of every type with a twist: no hash (json, point, xml), several spellings of one value, and the edges.
create table curiosities (
  id integer primary key,
  exact numeric,
  rounded double precision,
  single real,
  day date,
  moment timestamp,
  instant timestamptz,
  span interval,
  clock timetz,
  document json,
  binary_document jsonb,
  place point,
  shape polygon,
  markup xml,
  host inet,
  hardware macaddr8,
  flags bit varying(9),
  matrix integer[][],
  names citext[],
  period tstzrange,
  periods datemultirange,
  position pg_lsn,
  fixed character(6),
  raw bytea,
  cash money
);
insert into curiosities (id, exact, rounded, single, day, moment, instant, span, document, fixed, raw) values
  (1, 'NaN', 'NaN', 'NaN', '-infinity', 'infinity', '-infinity', '-1 year 2 mons -3 days 04:05:06.789', '{"b": 1, "a": 2, "b": 3}', 'ab', '\x00ff00'),
  (2, 'Infinity', 'Infinity', '-Infinity', 'infinity', '-infinity', 'infinity', '178000000 years', '[1.50, 1e3, "\u00e9"]', '', ''),
  (3, '-Infinity', '-0.0', '1e-45', '4713-01-01 BC', '0044-03-15 12:00 BC', '0001-01-01 00:00+00 BC', '0', ' {"space" : "kept"} ', '      ', '\xdeadbeef'),
  (4, 0.1000, 0.1, 0.1, '5874897-12-31', '294276-12-31 23:59:59.999999', '2026-03-29 02:30:00+02', '1 mon', 'null', 'ÄÖÜäöü', null),
  (5, 123456789012345678901234567890.123456789, 1e308, 3.4028235e38, '2000-02-29', '1969-12-31 23:59:59.5', '2026-10-25 02:30:00+01', '25:00:00', '"text"', 'x', '\x5c5c'),
  (6, null, null, null, null, null, null, null, null, null, null);
update curiosities set
  clock = '23:59:60+14', binary_document = '{"n": 9007199254740993, "deep": {"list": [null, true, 1.50]}}', place = '(1.5,-2)',
  shape = '((0,0),(1,0),(1,1))', markup = '<order no="1"><item>tea &amp; scones</item></order>', host = '2001:db8::1/64',
  hardware = '08:00:2b:01:02:03:04:05', flags = B'101', matrix = '{{1,2},{3,null}}', names = '{Ann,"O''Brien",NULL,"NULL"}',
  period = '[2026-01-01,)', periods = '{[2026-01-01,2026-02-01),[2026-03-01,2026-04-01)}', position = '16/B374D848', cash = '-1234.56'
where id <= 3;

-- Sequences that do not simply count: with a gap, descending, in a circle, cached, and one nobody has asked yet.
create sequence billing.voucher_numbers increment by 7 minvalue 100 maxvalue 10000 start with 100 cache 10 cycle;
select setval('billing.voucher_numbers', 9996);
create sequence "Zähler abwärts" as smallint increment by -1 minvalue -500 maxvalue -1 start with -1;
select nextval('"Zähler abwärts"') from generate_series(1, 3);
create sequence never_asked start with 42;

-- Two tables that refer to each other, and one to itself: only deferred checks let them be filled.
create table departments (id integer primary key, name text not null, head_id integer);
create table staff (id integer primary key, name text not null, department_id integer not null, manager_id integer);
insert into departments select n, 'Department ' || n, n from generate_series(1, 6) n;
insert into staff select n, 'Colleague ' || n, 1 + (n - 1) % 6, nullif(n / 3, 0) from generate_series(1, 40) n;

-- No two bookings of a room may overlap.
create table room_bookings (room integer, during tstzrange, exclude using gist (room with =, during with &&));
insert into room_bookings
select n % 4, tstzrange(timestamptz '2026-01-01' + n * interval '1 hour', timestamptz '2026-01-01' + (n + 1) * interval '1 hour')
from generate_series(1, 200) n;

-- Columns that were dropped leave holes in the numbering, and a child may have its own order of columns.
create table legacy_accounts (id integer, obsolete text, name text, also_obsolete integer, balance numeric);
alter table legacy_accounts drop column obsolete, drop column also_obsolete;
insert into legacy_accounts select n, 'Account ' || n, n * 1.10 from generate_series(1, 60) n;
create table closed_accounts (closed_on date) inherits (legacy_accounts);
insert into closed_accounts select 1000 + n, 'Closed ' || n, 0, date '2020-01-01' + n from generate_series(1, 20) n;
