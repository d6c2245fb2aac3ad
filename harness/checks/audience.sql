-- title: Nobody outside a message's audience gets to see it
-- promise: always
-- needs: client_send_started, server_accepted, connection_opened
-- subject: service
-- severity: critical

-- exercised
-- Messages with each connection of somebody outside that was open when they were accepted.
with moments as (
    select opened_ns as at_ns, 1 as step, null as op from connections
    union all
    select lost_ns, -1, null from connections
    union all
    select accepted_ns, 0, op from sends where accepted_ns is not null
),
listening as (
    select op, sum(step) over (order by at_ns, case step when -1 then 0 when 1 then 1 else 2 end rows unbounded preceding) as devices
    from moments
),
insiders as (
    select s.op, count(*) as devices
    from sends as s
    join belongs as b on b.op = s.op and b.standing <> 'never'
    join connections as k on k.person = b.person and k.opened_ns <= s.accepted_ns and k.lost_ns > s.accepted_ns
    group by s.op
)
select sum(l.devices - coalesce(i.devices, 0))
from listening as l
semi join (select op from belongs where closed) as c on c.op = l.op
left join insiders as i on i.op = l.op
where l.op is not null;

-- violations
with seen as (
    select message, client_message_id, message_id, device, person, mono_ns, 'delivered to' as how from deliveries
    union all
    select message, client_message_id, message_id, null, person, mono_ns, 'in the archive of' from readings
    union all
    select coalesce(n.client_message_id, p.message_id), n.client_message_id, p.message_id, p.device,
           split_part(p.device, '/', 1), p.ended_ns, 'pushed to'
    from pushes as p left join names as n on n.message_id = p.message_id
),
judged as (
    select v.*, s.conversation_id, s.sender, b.member,
           case when b.person is null then 'outsider' when b.member = 'never' then 'not_member' else 'blocked' end as kind
    from seen as v
    join sends as s on s.client_message_id = v.message
    left join belongs as b on b.op = s.op and b.person = v.person
    where v.person is not null
      and coalesce(b.standing, 'never') = 'never'
      and exists (select 1 from belongs as c where c.op = s.op and c.closed)
)
select
    client_message_id,
    message_id,
    min(conversation_id) as conversation_id,
    device,
    min(mono_ns) as mono_ns,
    case when device is null then 'stored' else 'recipient_synced' end as last_step,
    null as missing_step,
    concat('message ', coalesce(message_id, client_message_id), ' from ', min(sender), ' was ', arg_min(how, mono_ns), ' ',
           coalesce(device, arg_min(person, mono_ns)), ' at ', at_s(min(mono_ns)), ', ',
           case kind
               when 'outsider' then 'who is not part of its conversation.'
               when 'not_member' then 'who was surely no member of its group.'
               else 'who had surely blocked its sender.'
           end) as text,
    kind
from judged
group by kind, message, client_message_id, message_id, device
