-- title: What was acknowledged is stored, unaltered, and reaches every device of its audience
-- promise: durability = process_crash, power_loss
-- needs: client_send_started, server_accepted, oracle_completed, sync_completed
-- subject: service
-- severity: critical

-- exercised
select count(*)
from sends as s
where s.accepted_ns <= (select oracle_ns from run_times)
  and exists (
      select 1 from members as m join oracle_status as o on o.person = m.person and o.complete where m.op = s.op
  );

-- undecided
select count(*)
from sends as s
where s.accepted_ns <= (select oracle_ns from run_times)
  and (
      exists (
          select 1 from members as m left join oracle_status as o on o.person = m.person
          where m.op = s.op and not coalesce(o.complete, false)
      )
      or exists (select 1 from audience as a where a.op = s.op and a.final_synced_ns is null)
  );

-- violations
with acked as (
    select s.*
    from sends as s, run_times as t, settings as p
    where s.accepted_ns <= t.oracle_ns
      and (p.retention_ns is null or s.accepted_ns >= t.oracle_ns - p.retention_ns)
),
missed as (
    select op, string_agg(person, ' and ' order by person) as readers from lost group by op
),
seen as (
    select message, count(first_live_ns) as live from receipts group by message
),
gaps as (
    select a.*, u.device as missing_on, u.final_synced_ns
    from acked as a
    join audience as u on u.op = a.op and u.final_synced_ns is not null
    semi join oracle as o on o.message = a.client_message_id
    anti join missed on missed.op = a.op
    anti join receipts as r on r.message = a.client_message_id and r.device = u.device
    where a.accepted_ns <= (select final_ns from run_times)
),
copies as (
    select message, message_id, device, body_digest, mono_ns from deliveries
    union all
    select message, message_id, null, body_digest, mono_ns from readings
),
altered as (
    select a.client_message_id, a.conversation_id, a.device as sent_by, c.device, min(c.message_id) as message_id,
           min(c.mono_ns) as mono_ns
    from copies as c join acked as a on a.client_message_id = c.message
    where c.body_digest <> a.body_digest
    group by all
)
select
    a.client_message_id,
    a.message_id,
    a.conversation_id,
    null as device,
    a.accepted_ns as mono_ns,
    case when seen.live > 0 then 'recipient_online_delivered' else 'server_accepted' end as last_step,
    'stored' as missing_step,
    concat('message ', a.message_id, ' from ', a.device, ' to ', coalesce(a.recipient, 'its group'), ' was acknowledged at ', at_s(a.accepted_ns),
           ' and is missing from the complete archive of ', missed.readers, '.') as text,
    'lost' as kind
from acked as a join missed using (op) left join seen on seen.message = a.client_message_id
union all
select
    client_message_id, message_id, conversation_id, missing_on, final_synced_ns, 'stored', 'recipient_synced',
    concat('message ', message_id, ' from ', device, ', acknowledged at ', at_s(accepted_ns), ', is stored, but ', missing_on,
           ' never got it, though it followed its own cursor to the end at ', at_s(final_synced_ns), '.'),
    'gap'
from gaps
union all
select
    client_message_id, message_id, conversation_id, device, mono_ns,
    case when device is null then 'stored' else 'recipient_synced' end, null,
    concat('message ', message_id, ' from ', sent_by, ' has another body ',
           case when device is null then 'in the archive' else concat('on ', device) end, ' than the one that was sent.'),
    'altered'
from altered
