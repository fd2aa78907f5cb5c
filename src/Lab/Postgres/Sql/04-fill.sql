-- What needs no prose: made by the server itself. The sizes come as settings of the session (lab.*).
-- Figures follow from row numbers alone, so that every lab of a size holds the same.
insert into order_items (order_id, ordered_at, line, product_id, quantity, unit_price)
select o.id, o.ordered_at, line, 1000 + (o.id * 7919 + line * 104729) % current_setting('lab.products')::integer,
  1 + (o.id + line) % 4, 5 + (o.id * 31 + line * 17) % 20000 / 100.0
from orders o cross join lateral generate_series(1, 1 + (o.id % 4)::integer) line;

update orders o set total = i.total
from (select order_id, ordered_at, sum(amount) as total from order_items where order_id % 50 = 0 group by 1, 2) i
where o.id = i.order_id and o.ordered_at = i.ordered_at;

insert into billing.invoices (order_id, ordered_at, issued_on, amount)
select id, ordered_at, ordered_at::date + 1, total from orders where id % 10 = 0 order by id;

-- A gap, as rolled-back transactions leave it.
select setval('billing.invoices_number_seq', (select max(number) + 137 from billing.invoices));

insert into stock_movements
select 1000 + n % current_setting('lab.products')::integer, timestamptz '2026-01-01' + n * interval '1 minute', n % 41 - 20,
  (array['delivery', 'sale', 'return', 'stocktaking'])[1 + n % 4]
from generate_series(1, current_setting('lab.events')::integer) n;

insert into events (happened_at, payload)
select timestamptz '2026-01-01' + n * interval '37 seconds', jsonb_build_object(
  'kind', (array['page', 'search', 'basket', 'checkout', 'login'])[1 + n % 5],
  'customer', 1 + n % current_setting('lab.customers')::integer,
  'session', md5((n / 9)::text),
  'duration', round((n % 977) / 7.0, 3),
  'path', '/shop/' || (array['tea', 'lamps', 'maps', 'tools', 'garden'])[1 + n % 5] || '/' || n % 500,
  'experiments', jsonb_build_array('checkout-' || n % 3, null, n % 2 = 0))
from generate_series(1, current_setting('lab.events')::integer) n;

insert into product_manuals
select 1000 + n, (array['en', 'de', 'ja'])[1 + n % 3],
  lo_from_bytea(0, convert_to(string_agg(p.description, E'\n\n' order by p.id), 'UTF8'))
from generate_series(1, current_setting('lab.manuals')::integer) n
join products p on p.id between 1000 + n % 40 and 1000 + n % 40 + 60
group by n;
-- One that is empty, and one that no table refers to.
select lo_create(0), lo_from_bytea(0, '\x00010203');

insert into heartbeat (written_at) select now() - make_interval(secs => n) from generate_series(60, 1, -1) n;

select setval(pg_get_serial_sequence('customers', 'id'), (select max(id) from customers));
select setval(pg_get_serial_sequence('products', 'id'), (select max(id) from products));
select setval(pg_get_serial_sequence('orders', 'id'), (select max(id) from orders));
