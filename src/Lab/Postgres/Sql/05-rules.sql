-- Keys and indexes of every sort.
alter table customers add primary key (id), add constraint one_account_per_email unique (email);
alter table products add primary key (id), add unique (sku);
alter table orders add primary key (id, ordered_at);
alter table order_items add primary key (order_id, ordered_at, line);
alter table reviews add primary key (id);
alter table customer_notes add primary key (id);
alter table product_manuals add primary key (product_id, language);
alter table events add primary key (id);
alter table billing.invoices add primary key (number);
alter table departments add constraint head_is_staff foreign key (head_id) references staff deferrable initially deferred;

alter table orders add foreign key (customer_id) references customers;
alter table order_items
  add foreign key (order_id, ordered_at) references orders on delete cascade,
  add foreign key (product_id) references products deferrable initially immediate;
alter table reviews add foreign key (product_id) references products, add foreign key (customer_id) references customers;
alter table billing.invoices add foreign key (order_id, ordered_at) references orders;
alter table staff
  add foreign key (department_id) references departments deferrable initially deferred,
  add foreign key (manager_id) references staff deferrable;

create index customers_by_name on customers using gin (search_name gin_trgm_ops);
create index products_by_words on products using gin (words);
create index products_by_attributes on products using gin (attributes jsonb_path_ops);
create index orders_open on orders (customer_id) where status in ('placed', 'paid');
create index events_by_time on events using brin (happened_at);
create index reviews_by_length on reviews (length(body)) include (stars);
create statistics orders_habits (dependencies) on customer_id, status from orders;

create function touch() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end $$;
create trigger orders_touch before update on orders for each row execute function touch();

create function customer_total(customer bigint) returns numeric language sql stable as $$
  select coalesce(sum(total), 0) from public.orders where customer_id = customer
$$;
create procedure close_cart(order_number bigint) language plpgsql security definer set search_path = public as $$
begin
  update orders set status = 'placed' where id = order_number and status = 'cart';
end $$;
create aggregate longest(text) (sfunc = textcat, stype = text, initcond = '');

create view open_orders with (security_barrier) as
  select o.id, o.ordered_at, c.full_name, o.total from orders o join customers c on c.id = o.customer_id
  where o.status in ('placed', 'paid', 'packed');
create materialized view sales_by_month as
  select date_trunc('month', ordered_at) as month, status, count(*) as orders, sum(total) as total from orders group by 1, 2;
create unique index on sales_by_month (month, status);

create rule views_are_kept as on delete to page_views where old.path = '/once' do instead nothing;

-- Each region's people see their own notes only, not even the owner sees all.
alter table customer_notes enable row level security;
alter table customer_notes force row level security;
create policy own_region on customer_notes for select to app_reader
  using (region = current_setting('app.region', true));
create policy writers on customer_notes to app_writer using (true) with check (length(body) > 0);

create publication shop_changes for table orders, customers (id, email);
comment on function customer_total(bigint) is 'What a customer has ordered in all.';
comment on materialized view sales_by_month is 'Refreshed at night.';
