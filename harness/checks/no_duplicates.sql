-- title: One send makes one message, and no device gets again what it has confirmed
-- promise: idempotency_window
-- needs: client_send_started, server_accepted
-- subject: service
-- severity: major

-- exercised
-- Only what was sent or received more than once could have been doubled.
select count(*) from (
    select client_message_id as message from sends where attempts >= 2
    union
    select message from receipts where copies >= 2 and message is not null
);

-- violations
with ids as (
    select coalesce(client_message_id, op) as client_message_id, message_id, mono_ns from witnessed where event = 'server_accepted'
    union all
    select client_message_id, message_id, mono_ns from deliveries
    union all
    select client_message_id, message_id, mono_ns from readings
),
firsts as (
    select client_message_id, message_id, min(mono_ns) as mono_ns
    from ids
    where client_message_id is not null and message_id is not null
    group by client_message_id, message_id
),
two_ids as (
    select
        f.client_message_id,
        min(f.message_id) as message_id,
        string_agg(f.message_id, ' and ' order by f.message_id) as message_ids,
        max(f.mono_ns) as mono_ns,
        any_value(s.conversation_id) as conversation_id,
        any_value(s.device) as device,
        any_value(s.attempts) as attempts
    from firsts as f left join sends as s on s.client_message_id = f.client_message_id
    where (select idempotency_window_ns from settings) is null
       or s.last_started_ns - s.started_ns <= (select idempotency_window_ns from settings)
       or s.op is null
    group by f.client_message_id
    having count(distinct f.message_id) > 1
),
twice_live as (
    select message, message_id, device, connection, min(client_message_id) as client_message_id,
           min(conversation_id) as conversation_id, max(mono_ns) as mono_ns, count(*) as copies
    from deliveries
    where live and connection is not null and message_id is not null
    group by observer, message, message_id, device, connection
    having count(*) > 1
),
-- Cursors are opaque: one lies at or beyond another if this device was first given it no earlier. A device that starts
-- again without a cursor walks anew, unless that first page leads to the same place.
given as (
    select device, observer, cursor_to as cursor, min(mono_ns) as given_ns
    from witnessed
    where event in ('recipient_synced', 'sync_completed') and device is not null and cursor_to is not null
    group by all
),
restarts as (
    select device, observer, cursor_to, mono_ns from deliveries where not live and cursor_from is null
),
again as (
    select p.message, p.message_id, p.device, p.client_message_id, p.conversation_id, q.mono_ns, p.cursor_to, q.cursor_from
    from deliveries as p
    join deliveries as q
      on q.device = p.device and q.message_id = p.message_id and q.observer = p.observer and q.mono_ns > p.mono_ns
    join given as confirmed
      on confirmed.device = p.device and confirmed.observer = p.observer and confirmed.cursor = p.cursor_to
    join given as asked
      on asked.device = q.device and asked.observer = q.observer and asked.cursor = q.cursor_from
    where not p.live and not q.live
      and asked.given_ns >= confirmed.given_ns
      and not exists (
          select 1 from restarts as r
          where r.device = p.device and r.observer = p.observer and r.mono_ns > p.mono_ns and r.mono_ns <= q.mono_ns
            and r.cursor_to is distinct from p.cursor_to
      )
)
select
    client_message_id, message_id, conversation_id, null as device, mono_ns,
    'stored' as last_step, null as missing_step,
    concat('message ', client_message_id, coalesce(concat(' from ', device, ', sent ', attempts, ' times,'), ''),
           ' has more than one id at the server: ', message_ids, '; the last appeared at ', at_s(mono_ns), '.') as text,
    'two_ids' as kind
from two_ids
union all
select
    min(client_message_id), message_id, min(conversation_id), device, max(mono_ns), 'recipient_online_delivered', null,
    concat('message ', message_id, ' came ', max(copies), ' times to ', device, ' on one live connection, the last time at ',
           at_s(max(mono_ns)), '.'),
    'twice_live'
from twice_live
group by message, message_id, device
union all
select
    min(client_message_id), message_id, min(conversation_id), device, min(mono_ns), 'recipient_synced', null,
    concat('message ', message_id, ' came to ', device, ' again at ', at_s(min(mono_ns)),
           ' in a sync from a cursor by which the device had confirmed it.'),
    'after_confirmed'
from again
group by message, message_id, device
