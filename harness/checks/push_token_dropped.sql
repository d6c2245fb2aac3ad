-- title: A push token is dropped when its provider says that it is gone, and never otherwise
-- promise: push_content
-- needs: push_token_registered, push_failed
-- subject: service
-- severity: major

-- applies
select count(*) from events where event = 'push_failed';

-- exercised
-- Messages for devices that are away whose token had failed before: it could be used again, or left unused.
select count(*) from owed_pushes where accepted_ns > failed_ns;

-- violations
-- Its answer may not have reached the service while something else was broken. A second is given to what was under way.
with goodbyes as (
    select push_ref, ended_ns from pushes as p
    where unregistered and push_ref is not null
      and not exists (
          select 1 from fault_windows as f
          where coalesce(f.kind, '') not like 'push.%' and coalesce(f.commanded_ns, f.installed_ns) <= p.ended_ns + 1000000000
            and (f.healed_ns is null or f.healed_ns >= p.started_ns)
      )
),
used_again as (
    select p.message_id, p.device, min(p.started_ns) as started_ns, min(g.ended_ns) as gone_ns, count(distinct p.started_ns) as requests
    from pushes as p
    join goodbyes as g on g.push_ref = p.push_ref and g.ended_ns <= p.started_ns - 1000000000
    where not exists (
        select 1 from witnessed as w
        where w.event = 'push_token_registered' and w.push_ref = p.push_ref and w.mono_ns > g.ended_ns and w.mono_ns <= p.started_ns
    )
    group by p.message_id, p.device
)
select
    n.client_message_id,
    u.message_id,
    null as conversation_id,
    u.device,
    u.started_ns as mono_ns,
    'push_failed' as last_step,
    null as missing_step,
    concat('the push token of ', u.device, ' was used again for message ', u.message_id, ' at ', at_s(u.started_ns),
           ', though its provider had said at ', at_s(u.gone_ns), ' that it is gone.') as text,
    'used_again' as kind
from used_again as u left join names as n on n.message_id = u.message_id
union all
select
    client_message_id, message_id, conversation_id, device, due_ns, 'stored', 'push_sent',
    concat('no push was even tried for message ', message_id, ' to ', device, ', which was away, by ', at_s(due_ns),
           ': its token has not been used since ', at_s(last_ns), ', when the provider answered ', last_answer, '.'),
    'dropped_needlessly'
from owed_pushes
where silent and requests = 0 and accepted_ns > last_ns and due_ns <= final_ns and (back_ns is null or back_ns > due_ns)
