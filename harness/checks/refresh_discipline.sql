-- title: A token is refreshed once for all that wait for it, and each message is sent again once
-- promise: always
-- needs: token_refresh_started
-- subject: naive client
-- severity: minor

-- applies
select count(*) from events where event = 'token_refresh_started';

-- given
create or replace temp view refreshes as
select
    device,
    mono_ns,
    event,
    sum(case event when 'token_refresh_started' then 1 else -1 end) over (
        partition by device order by mono_ns, event <> 'token_refresh_started', writer, seq rows unbounded preceding
    ) as under_way
from witnessed, settings as p
where p.client = 'naive' and device is not null
  and event in ('token_refresh_started', 'token_refreshed', 'token_refresh_failed');

-- exercised
select count(*) from refreshes where event = 'token_refresh_started';

-- violations
-- One resend after a refresh: another one only when that failed.
with renewed as (
    select device, mono_ns, lead(mono_ns) over (partition by device order by mono_ns) as next_ns
    from refreshes where event = 'token_refreshed'
),
twice as (
    select b.origin, b.device, min(b.started_ns) as mono_ns
    from renewed as r
    join attempts as a on a.device = r.device and a.started_ns > r.mono_ns and (r.next_ns is null or a.started_ns <= r.next_ns)
    join attempts as b on b.device = r.device and b.origin = a.origin and b.started_ns > a.started_ns
                      and (r.next_ns is null or b.started_ns <= r.next_ns)
    where a.failed_ns is null or a.failed_ns > b.started_ns
    group by b.origin, b.device
)
select
    null as client_message_id,
    null as message_id,
    null as conversation_id,
    device,
    min(mono_ns) as mono_ns,
    'token_refresh_started' as last_step,
    null as missing_step,
    concat('the client on ', device, ' had ', max(under_way), ' refreshes of its token under way at once, the first time at ',
           at_s(min(mono_ns)), '.') as text,
    'stampede' as kind
from refreshes
where event = 'token_refresh_started' and under_way > 1
group by device
union all
select
    s.client_message_id, null, s.conversation_id, t.device, t.mono_ns, 'token_refreshed', null,
    concat('the client on ', t.device, ' sent message ', s.client_message_id, ' twice after one refresh, the second time at ',
           at_s(t.mono_ns), ', without waiting for the answer.'),
    'sent_twice'
from twice as t join (
    select origin, min(client_message_id) as client_message_id, min(conversation_id) as conversation_id from sends group by origin
) as s using (origin)
