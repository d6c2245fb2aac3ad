-- title: Whoever is away is notified of a message in time
-- promise: push_content
-- needs: push_token_registered, server_accepted, person_offline
-- subject: service
-- severity: major

-- applies
select count(*) from events where event = 'push_token_registered';

-- given
-- Owed and not excused: neither refused for good, nor tried so often that giving up is right, nor back by itself, nor
-- read by then on another device, after which a service may drop the push.
-- A token that fell silent is the affair of push_token_dropped.
create or replace temp table judged as
select
    *,
    coalesce(taken_ns <= due_ns, false) as in_time,
    exists (select 1 from stalls as x where x.from_ns <= due_ns and x.to_ns >= since_ns) as excused
from owed_pushes
where coalesce(taken_ns <= due_ns, false)
   or (due_ns <= final_ns
       and not refused and not silent
       and (taken_ns is not null or requests < 6)
       and healed_ns - accepted_ns <= 10000000000
       and (unregistered_ns is null or unregistered_ns > due_ns)
       and (back_ns is null or back_ns > due_ns)
       and not exists (select 1 from events as x
                       where x.event = 'message_read' and x.message_id = owed_pushes.message_id and x.mono_ns <= due_ns
                         and split_part(x.device, '/', 1) = split_part(owed_pushes.device, '/', 1)));

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
