-- title: Nothing is accepted with a credential that is no longer good
-- promise: always
-- needs: token_issued, server_accepted
-- subject: service
-- severity: critical

-- applies
select (select count(*) from witnessed where event in ('token_expired', 'token_rejected'))
     + (select count(*) from events where event = 'fault_commanded' and detail->>'kind' in ('token.expire', 'token.revoke'))
     + (select count(*) from witnessed
        where event in ('token_issued', 'token_refreshed')
          and mono_ns + cast(detail->>'expires_in_s' as double) * 1e9 < (select end_ns from run_times));

-- given
-- When each credential surely was no longer good: a command ended it, the service said so, or its time was over.
create or replace temp view ended as
with held as (
    select device, credential_ref, min(mono_ns) as issued_ns,
           min(mono_ns + cast(cast(detail->>'expires_in_s' as double) * 1e9 as bigint)) as expires_ns
    from witnessed
    where event in ('token_issued', 'token_refreshed') and device is not null and credential_ref is not null
    group by device, credential_ref
),
commands as (
    select recipient as person, mono_ns as done_ns, cast(detail->>'began_ns' as bigint) as began_ns, detail->>'kind' as kind
    from events
    where event = 'fault_commanded' and detail->>'kind' in ('token.expire', 'token.revoke')
)
select h.device, h.credential_ref, c.done_ns as ended_ns, case c.kind when 'token.revoke' then 'revoked' else 'expired' end as how
from held as h join commands as c on c.person = split_part(h.device, '/', 1) and h.issued_ns < coalesce(c.began_ns, c.done_ns)
union all
select device, credential_ref, mono_ns, 'refused'
from witnessed where event in ('token_expired', 'token_rejected') and device is not null and credential_ref is not null
union all
-- A second of grace; a service whose clock is moved may count the time otherwise.
select device, credential_ref, expires_ns + 1000000000, 'expired'
from held
where expires_ns is not null and not exists (select 1 from fault_windows where kind = 'clock.server');

create or replace temp view dead as
select device, credential_ref, min(ended_ns) as ended_ns, arg_min(how, ended_ns) as how from ended group by device, credential_ref;

-- exercised
-- Messages that a device tried to send after one of its credentials had ended.
select count(distinct a.op) from attempts as a join dead as d on d.device = a.device and d.ended_ns < a.started_ns;

-- violations
select
    s.client_message_id,
    s.message_id,
    s.conversation_id,
    s.device,
    min(a.started_ns) as mono_ns,
    'server_accepted' as last_step,
    null as missing_step,
    concat('message ', coalesce(s.message_id, s.client_message_id), ' from ', s.device, ' was accepted at ', at_s(min(a.accepted_ns)),
           ' though it was sent at ', at_s(min(a.started_ns)), ' with a credential that was ', arg_min(d.how, a.started_ns),
           ' at ', at_s(arg_min(d.ended_ns, a.started_ns)), '.') as text,
    arg_min(d.how, a.started_ns) as kind
from attempts as a
join dead as d on d.device = a.device and d.credential_ref = a.credential_ref and d.ended_ns < a.started_ns
join sends as s on s.op = a.op
where a.accepted_ns is not null
group by s.op, s.client_message_id, s.message_id, s.conversation_id, s.device
