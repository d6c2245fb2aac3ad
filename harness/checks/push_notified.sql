-- title: Whoever is away is notified of a message in time
-- promise: push_content
-- needs: push_token_registered, server_accepted, person_offline
-- subject: service
-- severity: major

-- applies
select count(*) from events where event = 'push_token_registered';

-- given
-- Owed and not excused: neither refused for good, nor tried so often that giving up is right, nor back by itself, nor
-- read by then on another device, after which a service may drop the push. Who reads a message has read what stands
-- before it: receipts of Matrix and markers of XEP-0333 say just that, and the service cannot tell more.
-- A token that fell silent is the affair of push_token_dropped.
create or replace temp table known as
with opened as (
    select split_part(e.device, '/', 1) as person, e.message_id, o.conversation_id, o.conversation_seq, e.mono_ns
    from events as e left join oracle as o using (message_id)
    where e.event = 'message_read' and e.device is not null
)
select u.message_id, u.device, min(r.mono_ns) as read_ns
from owed_pushes as u
left join oracle as o using (message_id)
join opened as r on r.person = split_part(u.device, '/', 1)
    and (r.message_id = u.message_id or (r.conversation_id = o.conversation_id and r.conversation_seq > o.conversation_seq))
group by u.message_id, u.device;

create or replace temp table judged as
select
    *,
    coalesce(taken_ns <= due_ns, false) as in_time,
    exists (select 1 from stalls as x where x.from_ns <= due_ns and x.to_ns >= since_ns) as excused
from owed_pushes
left join known using (message_id, device)
where coalesce(taken_ns <= due_ns, false)
   or (due_ns <= final_ns
       and not refused and not silent
       and (taken_ns is not null or requests < 6)
       and healed_ns - accepted_ns <= 10000000000
       and (unregistered_ns is null or unregistered_ns > due_ns)
       and (back_ns is null or back_ns > due_ns)
       and (read_ns is null or read_ns > due_ns));

-- exercised
select count(*) from judged where in_time or not excused;

-- undecided
select count(*) from judged where not in_time and excused;

-- violations
select
    client_message_id,
    message_id,
    conversation_id,
    device,
    due_ns as mono_ns,
    'stored' as last_step,
    'push_sent' as missing_step,
    concat('message ', message_id, ' from ', sender, ', acknowledged at ', at_s(accepted_ns), ', was due as a push for ', device,
           ', which was away, by ', at_s(due_ns), ', but ',
           case when taken_ns is not null then concat('the provider took it at ', at_s(taken_ns), '.')
                when requests = 0 then 'the service never asked the provider.'
                else concat('the service gave up after ', requests, ' failed request', case when requests > 1 then 's' else '' end, '.')
           end) as text,
    case when taken_ns is null then 'not_pushed' else 'late' end as kind
from judged
where not in_time and not excused
