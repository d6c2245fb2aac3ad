-- title: A failed push changes nothing about its message
-- promise: push_content
-- needs: push_failed, oracle_completed
-- subject: service
-- severity: critical

-- applies
select count(*) from events where event = 'push_failed';

-- given
create or replace temp view failed as
select p.message_id, min(p.ended_ns) as failed_ns, min(p.device) as device, s.op, s.client_message_id, s.conversation_id, s.accepted_ns, s.outcome
from pushes as p
left join names as n on n.message_id = p.message_id
left join sends as s on s.client_message_id = n.client_message_id
where not p.taken
group by all;

create or replace temp view all_read as
select coalesce(bool_and(complete), false) as complete from oracle_status;

-- exercised
select count(*) from failed as f
where case when f.op is null then (select complete from all_read)
           else exists (select 1 from members as m join oracle_status as o on o.person = m.person and o.complete where m.op = f.op) end;

-- violations
with kept as (
    select f.*
    from failed as f, run_times as t, settings as p
    where f.accepted_ns <= t.oracle_ns and (p.retention_ns is null or f.accepted_ns >= t.oracle_ns - p.retention_ns)
),
lacking as (
    select k.message_id, k.client_message_id, k.conversation_id, k.failed_ns, string_agg(m.person, ' and ' order by m.person) as readers
    from kept as k
    join members as m on m.op = k.op
    join oracle_status as o on o.person = m.person and o.complete
    anti join readings as r on r.person = m.person and r.message = k.client_message_id
    group by all
)
select
    client_message_id,
    message_id,
    conversation_id,
    null as device,
    failed_ns as mono_ns,
    'push_failed' as last_step,
    'stored' as missing_step,
    concat('message ', message_id, ' was acknowledged and one of its pushes failed at ', at_s(failed_ns),
           ': it is missing from the complete archive of ', readers, '.') as text,
    'not_stored' as kind
from lacking
union all
select
    null, message_id, null, null, failed_ns, 'push_failed', 'stored',
    concat('a push of message ', message_id, ' failed at ', at_s(failed_ns), ', and nobody ever saw that message.'),
    'vanished'
from failed
where op is null and (select complete from all_read) and (select retention_ns from settings) is null
  and message_id not in (select r.message_id from readings as r where r.message_id is not null)
union all
select
    k.client_message_id, k.message_id, k.conversation_id, a.device, k.failed_ns, 'push_failed', 'recipient_synced',
    concat('a push of message ', k.message_id, ' failed at ', at_s(k.failed_ns), ', and ', a.device,
           ' never got it, though it followed its own cursor to the end at ', at_s(a.final_synced_ns), '.'),
    'not_synced'
from kept as k
join audience as a on a.op = k.op and a.final_synced_ns is not null
semi join oracle as o on o.message = k.client_message_id
anti join lacking as l on l.message_id = k.message_id
anti join receipts as r on r.message = k.client_message_id and r.device = a.device
where k.accepted_ns <= (select final_ns from run_times)
union all
select
    client_message_id, message_id, conversation_id, null, failed_ns, 'push_failed', 'server_accepted',
    concat('message ', message_id, ' was refused, though it was pushed: a push of it failed at ', at_s(failed_ns), '.'),
    'refused'
from failed
where outcome = 'fail'
