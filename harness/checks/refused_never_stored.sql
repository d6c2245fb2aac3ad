-- title: What the service refused, it did not store
-- promise: always
-- needs: client_send_failed, oracle_completed
-- subject: service
-- severity: major

-- exercised
select count(*)
from sends as s
where s.outcome = 'fail' and (
    exists (select 1 from oracle as o where o.message = s.client_message_id)
    or exists (select 1 from members as m join oracle_status as o on o.person = m.person and o.complete where m.op = s.op)
);

-- undecided
select count(*)
from sends as s
where s.outcome = 'fail'
  and not exists (select 1 from oracle as o where o.message = s.client_message_id)
  and not exists (select 1 from members as m join oracle_status as o on o.person = m.person and o.complete where m.op = s.op);

-- violations
select
    s.client_message_id,
    o.message_id,
    s.conversation_id,
    null as device,
    s.last_started_ns as mono_ns,
    'stored' as last_step,
    null as missing_step,
    concat('message ', coalesce(o.message_id, s.client_message_id), ' from ', s.device, ' was refused (',
           coalesce(a.error_code, a.http_status::varchar, 'no code'), ') in each of its ', s.attempts,
           ' attempts, the last at ', at_s(s.last_started_ns), ', yet it is in the archive.') as text,
    'refused' as kind
from sends as s
join (select message, min(message_id) as message_id from oracle group by message) as o on o.message = s.client_message_id
join attempts as a on a.op = s.op and a.attempt = s.last_attempt
where s.outcome = 'fail'
