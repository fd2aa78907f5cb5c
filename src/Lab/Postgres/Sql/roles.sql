-- Roles belong to the server, not to a database: made once, passwords set anew at every start (settings lab.*_password).
do $$
begin
  if not exists (select from pg_roles where rolname = 'shop_owner') then
    create role shop_owner nologin;
    create role app_reader nologin;
    create role app_writer nologin in role app_reader;
    create role shop_app login in role app_writer connection limit 20;
    create role "Bücher-Abteilung" nologin in role app_reader;
    comment on role shop_owner is 'Owns every object of the shop, and cannot sign in.';
    -- Reads everything, row-level security or not, and may change nothing; replication is for physical backups.
    create role backup login replication bypassrls in role pg_read_all_data, pg_read_all_settings;
    alter role backup set statement_timeout = 0;
    alter role app_reader set default_transaction_read_only = off;
  end if;
  execute format('alter role backup password %L', current_setting('lab.backup_password'));
  execute format('alter role shop_app password %L', current_setting('lab.app_password'));
end $$;
