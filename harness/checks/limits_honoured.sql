-- title: Limits are enforced, announced and fair
-- promise: always
-- needs: server_accepted, client_send_failed
-- subject: service
-- severity: major

-- applies
select (select count(*) from fault_windows where kind = 'rate_limit.lower')
     + (select count(*) from witnessed where event = 'client_send_failed' and (http_status = 429 or error_code = 'rate_limited'));

-- given
-- Limits as they were read back. Taking a limit back takes a moment, and a service that starts anew may have forgotten it.
create or replace temp table limits as
with installed as (
    select fault, min(mono_ns) as from_ns,
           min(cast(detail->>'per_user' as double)) as per_user, min(cast(detail->>'overall' as double)) as overall
    from events
    where event = 'fault_installed' and detail->>'kind' = 'rate_limit.lower' and fault is not null
    group by fault
)
select i.fault, i.from_ns, i.per_user, i.overall,
       least(
           coalesce((select w.healed_ns - 1000000000 from fault_windows as w where w.fault = i.fault), t.end_ns),
           coalesce((select min(coalesce(w.commanded_ns, w.installed_ns)) from fault_windows as w
                     where w.kind like 'process.%' and (w.healed_ns is null or w.healed_ns >= i.from_ns)), t.end_ns)
       ) as to_ns
from installed as i, run_times as t;

-- Each message that was surely taken while the limit was in force: an earlier attempt in doubt may have been taken before.
create or replace temp view taken as
select s.op, s.client_message_id, s.sender, a.started_ns, a.accepted_ns
from sends as s
join attempts as a on a.op = s.op and a.accepted_ns = s.accepted_ns and a.accepted_ns >= a.started_ns
where not exists (
    select 1 from attempts as b where b.op = s.op and b.attempt <> a.attempt and b.outcome <> 'fail' and b.started_ns < a.started_ns
);

create or replace temp view refusals as
select w.mono_ns, coalesce(w.op, w.client_message_id) as op, coalesce(w.attempt, 1) as attempt, w.client_message_id, w.device,
       w.sender, w.retry_after_ms, w.connection
from witnessed as w
where w.event = 'client_send_failed' and w.outcome = 'fail' and (w.http_status = 429 or w.error_code = 'rate_limited');

-- exercised
select (select count(*) from refusals)
     + (select count(*) from attempts as a where exists (select 1 from limits as l where a.started_ns between l.from_ns and l.to_ns)
        and not exists (select 1 from refusals as r where r.op = a.op and r.attempt = a.attempt));

-- violations
-- More than the limit allows in some span, even if the service let a whole second's worth go at once and we are one off.
-- Counted is only what was surely taken inside the span: begun after its start and answered before its end.
with scopes as (
    select fault, from_ns, to_ns, per_user as rate, true as own from limits where per_user is not null
    union all
    select fault, from_ns, to_ns, overall, false from limits where overall is not null
),
inside as (
    select c.*, a.op, case when c.own then a.sender end as person, a.started_ns, a.accepted_ns
    from scopes as c join taken as a on a.started_ns >= c.from_ns and (not c.own or a.sender is not null)
),
-- Only where enough was begun can enough have been taken: that is quick to count.
begun as (
    select
        *,
        unnest([1.0, 2.0, 5.0]) as s,
        unnest([
            count(*) over (partition by fault, own, person order by started_ns range between current row and 1000000000 following),
            count(*) over (partition by fault, own, person order by started_ns range between current row and 2000000000 following),
            count(*) over (partition by fault, own, person order by started_ns range between current row and 5000000000 following)
        ]) as messages
    from inside
),
counted as (
    select a.fault, a.own, a.rate, a.s, a.op, a.person, a.started_ns, count(*) as messages
    from begun as a
    join inside as b
      on b.fault = a.fault and b.own = a.own and b.person is not distinct from a.person
     and b.started_ns >= a.started_ns
     and b.accepted_ns <= least(a.started_ns + cast(a.s * 1e9 as bigint), a.to_ns)
    where a.messages > a.rate * a.s + greatest(a.rate, 1) + 1
    group by all
),
exceeded as (
    select fault, own, person, min(rate) as rate, arg_min(op, (started_ns, op)) as op, min(started_ns) as started_ns,
           arg_min(messages, (started_ns, op, s)) as messages, arg_min(s, (started_ns, op, s)) as s
    from counted
    where messages > rate * s + greatest(rate, 1) + 1
    group by fault, own, person
),
-- Somebody who sent nothing for a while before has a whole quota left, whatever the others do.
unfair as (
    select r.op, r.client_message_id, r.device, r.sender, a.started_ns, l.fault, l.per_user
    from refusals as r
    join attempts as a on a.op = r.op and a.attempt = r.attempt
    join limits as l on l.per_user is not null and l.overall is null and a.started_ns >= l.from_ns and r.mono_ns <= l.to_ns
    where r.sender is not null and not exists (
        select 1
        from attempts as o join sends as s on s.op = o.op
        where s.sender = r.sender and (o.op <> a.op or o.attempt <> a.attempt)
          and o.started_ns <= r.mono_ns
          and coalesce(o.accepted_ns, o.failed_ns, r.mono_ns) >= a.started_ns - cast(1e9 * greatest(1, 2 / l.per_user) as bigint)
    )
)
select
    s.client_message_id,
    s.message_id,
    s.conversation_id,
    s.device,
    e.started_ns as mono_ns,
    'server_accepted' as last_step,
    null as missing_step,
    concat('while ', case when e.own then concat(e.person, ' was') else 'all together were' end, ' limited to ', e.rate,
           ' messages a second (', e.fault, '), ', e.messages, ' were taken within ', e.s, ' s from ', at_s(e.started_ns), '.') as text,
    case when e.own then 'exceeded' else 'exceeded_overall' end as kind
from exceeded as e join sends as s on s.op = e.op
union all
select
    client_message_id, null, null, device, min(mono_ns), 'client_send_failed', null,
    concat('message ', client_message_id, ' from ', device, ' was refused for a limit at ', at_s(min(mono_ns)),
           ', without a word on when to come back.'),
    'unannounced'
from refusals
where coalesce(retry_after_ms, 0) <= 0
group by client_message_id, device
union all
select
    client_message_id, null, null, device, min(started_ns), 'client_send_failed', null,
    concat('message ', client_message_id, ' from ', device, ' was refused for a limit at ', at_s(min(started_ns)), ', though ',
           min(sender), ' had sent nothing for a while: the quota of others was used up, not theirs.'),
    'unfair'
from unfair
group by client_message_id, device
