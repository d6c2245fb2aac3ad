-- title: No state of a message comes before the state that it needs
-- promise: receipts
-- needs: server_accepted, recipient_online_delivered, delivery_receipt_received
-- subject: service
-- severity: major

-- exercised
select count(*)
from sends as s
where s.accepted_ns is not null and (
    exists (select 1 from receipts as r where r.message = s.client_message_id)
    or exists (
        select 1 from witnessed as w left join names as n on n.message_id = w.message_id
        where w.event in ('delivery_receipt_received', 'read_receipt_received', 'message_read')
          and coalesce(w.client_message_id, n.client_message_id) = s.client_message_id
    )
);

-- violations
-- The rules are the data of harness/core/axes.py, loaded as `precedences`.
with facts as (
    select
        coalesce(w.client_message_id, n.client_message_id, w.message_id) as message,
        w.message_id,
        w.event,
        w.device,
        case when w.event in ('delivery_receipt_received', 'read_receipt_received') then w.sender
             else split_part(w.device, '/', 1) end as person,
        w.mono_ns
    from witnessed as w left join names as n on n.message_id = w.message_id
    where w.event in (select later from precedences union select unnest(earlier) from precedences)
),
firsts as (
    select p.kind, p.scope, f.message, case when p.scope = 'device' then f.device else f.person end as who, min(f.mono_ns) as first_ns
    from facts as f join precedences as p on list_contains(p.earlier, f.event)
    group by all
),
recorded as (
    select distinct kind, who from firsts
),
judged as (
    select p.*, f.message, f.message_id, f.device, f.person, f.mono_ns, s.client_message_id, s.conversation_id, s.accepted_ns,
           case when p.scope = 'device' then f.device else f.person end as who
    from facts as f
    join precedences as p on p.later = f.event
    left join sends as s on s.client_message_id = f.message
    where f.message is not null
      and (p.scope <> 'device' or s.device is distinct from f.device)
      and (p.scope <> 'person' or s.sender is distinct from f.person)
),
broken as (
    select j.kind, j.message, j.device, j.who, any_value(j.text) as text, any_value(j.earlier) as earlier, min(j.message_id) as message_id,
           any_value(j.client_message_id) as client_message_id, any_value(j.conversation_id) as conversation_id,
           min(j.mono_ns) as mono_ns, any_value(j.accepted_ns) as accepted_ns
    from judged as j
    left join firsts as f on f.kind = j.kind and f.message = j.message and f.who = j.who
    where j.who is not null
      and (f.first_ns is null or f.first_ns > j.mono_ns)
      and (not j.if_recorded or exists (select 1 from recorded as r where r.kind = j.kind and r.who = j.who))
    group by j.kind, j.message, j.device, j.who
),
refused as (
    select op, max(mono_ns) as mono_ns from (
        select coalesce(op, client_message_id) as op, mono_ns from witnessed
        where event = 'client_send_failed' and outcome = 'fail' and detail->>'final' = 'true'
    ) where op is not null group by op
),
revived as (
    select r.op, min(w.mono_ns) as mono_ns
    from refused as r join witnessed as w on coalesce(w.op, w.client_message_id) = r.op
    where w.event = 'server_accepted' and w.mono_ns > r.mono_ns
      and not exists (
          select 1 from attempts as a where a.op = r.op and a.started_ns > r.mono_ns and a.started_ns <= w.mono_ns
      )
    group by r.op
)
select
    client_message_id,
    message_id,
    conversation_id,
    device,
    mono_ns,
    case when accepted_ns is null then 'client_send_started' else 'server_accepted' end as last_step,
    earlier[1] as missing_step,
    concat('message ', coalesce(message_id, message), ' ', text, ' (', who, '), as ', device, ' recorded at ', at_s(mono_ns), '.') as text,
    kind
from broken
union all
select
    s.client_message_id, s.message_id, s.conversation_id, s.device, v.mono_ns, 'client_send_failed', null,
    concat('message ', coalesce(s.message_id, s.client_message_id), ' from ', s.device, ' was acknowledged at ', at_s(v.mono_ns),
           ' after it had been refused for good, without another attempt.'),
    'accepted_after_refusal'
from revived as v join sends as s using (op)
