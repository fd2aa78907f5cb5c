-- The shop owns its objects; readers and writers get what they need; column by column where it matters.
do $$
declare
  object record;
begin
  for object in
    select c.oid::regclass as name, case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' else 'table' end as kind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'billing') and c.relkind in ('r', 'p', 'v', 'm', 'S')
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('a', 'i', 'e') and c.relkind = 'S')
  loop
    execute format('alter %s %s owner to shop_owner', object.kind, object.name);
  end loop;
  for object in select oid from pg_largeobject_metadata loop
    execute format('alter large object %s owner to shop_owner', object.oid);
    execute format('grant select on large object %s to app_reader, backup', object.oid);
  end loop;
end $$;
alter function touch() owner to shop_owner;
alter function customer_total(bigint) owner to shop_owner;
alter procedure close_cart(bigint) owner to shop_owner;

grant usage on schema public, billing to app_reader, app_writer;
grant select on all tables in schema public to app_reader;
revoke select on customers from app_reader;
grant select (id, full_name, joined_at) on customers to app_reader;
grant select, insert, update, delete on all tables in schema public, billing to app_writer;
grant usage, select on all sequences in schema public, billing to app_writer;
revoke all on function customer_total(bigint) from public;
grant execute on function customer_total(bigint) to app_reader with grant option;
revoke all on procedure close_cart(bigint) from public;
alter default privileges for role shop_owner in schema public grant select on tables to app_reader;

-- What a physical backup needs beside REPLICATION; none of it changes a row.
grant execute on function pg_backup_start(text, boolean), pg_backup_stop(boolean), pg_create_restore_point(text) to backup;

do $$
begin
  execute format('alter database %I set timezone = %L', current_database(), 'Europe/Zurich');
  execute format('alter role app_reader in database %I set statement_timeout = %L', current_database(), '30s');
  execute format('grant connect, temporary on database %I to app_reader, app_writer', current_database());
  execute format('alter database %I owner to shop_owner', current_database());
end $$;
