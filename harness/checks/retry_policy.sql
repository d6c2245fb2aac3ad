-- title: Retries wait, grow, spread, end and keep their name
-- promise: always
-- needs: client_send_started
-- subject: push worker, client
-- severity: major

-- applies
select count(*) from events where event = 'push_failed' or (event = 'push_sent' and observer = 'provider') or (event = 'client_send_started' and attempt > 1 and (select client from settings) <> 'outbox');

-- given
-- The push worker's requests for one message and token, as the provider saw them. A gap is clean when nothing else was
-- asked for the same token in it: a worker that asks one after the other may have been waiting for that.
create or replace temp table requests as
with numbered as (
    select *, row_number() over (partition by push_ref order by ended_ns, writer, seq) as place from pushes where push_ref is not null
)
select
    *,
    row_number() over pair as number,
    lag(taken) over pair as was_taken,
    lag(unregistered) over pair as was_unregistered,
    lag(retryable) over pair as was_retryable,
    lag(answer) over pair as was_answer,
    lag(retry_after_ms) over pair as asked_ms,
    lag(ended_ns) over pair as before_ns,
    lag(started_ns) over pair as begun_before_ns,
    lag(started_ns, 10) over pair as tenth_ns,
    started_ns - lag(ended_ns) over pair as gap_ns,
    place - lag(place) over pair = 1 as clean
from numbered
window pair as (partition by message_id, push_ref order by ended_ns, writer, seq);

-- The attempts of an operation of a client that is not our outbox, as it recorded or reported them.
create or replace temp table tries as
select
    a.*,
    row_number() over operation as number,
    lag(a.retry_after_ms) over operation as asked_ms,
    lag(a.failed_ns) over operation as before_ns,
    lag(a.started_ns, 10) over operation as tenth_ns,
    a.started_ns - lag(a.failed_ns) over operation as gap_ns
from attempts as a, settings as p
where p.client <> 'outbox'
window operation as (partition by a.origin order by a.started_ns, a.attempt, a.op);

-- exercised
select (select count(*) from requests where number > 1) + (select count(*) from tries where number > 1);

-- violations
with pushed as (
    select message_id, device, ended_ns as mono_ns, 'too_soon' as kind,
           concat('asked the provider again after ', gap_ns // 1000000, ' ms, though it had been asked to wait ', asked_ms, ' ms') as text
    from requests where gap_ns < asked_ms * 1000000 - 50000000
    union all
    -- An answer may not have reached the worker while anything was broken or held up.
    select r.message_id, r.device, r.ended_ns, 'retried_final', concat('asked the provider again, though it had answered ', r.was_answer)
    from requests as r
    where r.number > 1 and not r.was_retryable and not r.was_unregistered
      and not exists (
          select 1 from fault_windows as f
          where coalesce(f.kind, '') not like 'push.%' and coalesce(f.commanded_ns, f.installed_ns) <= r.ended_ns
            and (f.healed_ns is null or f.healed_ns >= r.begun_before_ns)
      )
      and not exists (select 1 from stalls as x where x.from_ns <= r.ended_ns and x.to_ns >= r.begun_before_ns)
    union all
    select message_id, device, ended_ns, 'storm', 'asked the provider more than 10 times within a second'
    from requests where started_ns - tenth_ns < 1000000000
    union all
    select message_id, device, ended_ns, 'endless', 'asked the provider more than 20 times' from requests where number > 20
    union all
    -- Six gaps, of which the later ones have to show growth. A wait that was asked for says nothing of the worker's own.
    select message_id, min(device), max(ended_ns), 'no_backoff',
           concat('asked the provider ', max(number), ' times without waiting longer: at most ', max(gap_ns) // 1000000, ' ms')
    from requests
    where number > 1 and asked_ms is null
    group by message_id, push_ref
    having count(*) >= 6
       and (coalesce(max(gap_ns) filter (number > 3) < 250000000, false)
            or (bool_and(clean) and max(gap_ns) < 2 * min(gap_ns)))
    union all
    select arg_min(message_id, ended_ns), null, min(ended_ns), 'no_jitter',
           concat('waits the same ', max(gap_ns) // 1000000, ' ms before each first retry, so that all retries come together')
    from requests
    where number = 2 and asked_ms is null
    having count(*) >= 8 and max(gap_ns) >= 100000000 and max(gap_ns) - min(gap_ns) < max(gap_ns) / 20
),
tried as (
    select op, device, started_ns as mono_ns, 'client_too_soon' as kind,
           concat('tried again after ', gap_ns // 1000000, ' ms, though it had been asked to wait ', asked_ms, ' ms') as text
    from tries where gap_ns < asked_ms * 1000000 - 50000000
    union all
    select op, device, started_ns, 'client_storm', 'tried more than 10 times within a second'
    from tries where started_ns - tenth_ns < 1000000000
    union all
    select min(op), min(device), max(started_ns), 'client_no_backoff',
           concat('tried ', max(number), ' times without waiting longer: at most ', max(gap_ns) // 1000000, ' ms')
    from tries
    where number > 1 and asked_ms is null and gap_ns is not null
    group by origin
    having count(*) >= 6 and coalesce(max(gap_ns) filter (number > 3) < 120000000, false)
    union all
    select s.op, s.device, s.started_ns, 'client_new_id', 'sent the same message again under another id'
    from sends as s, settings as p
    where p.client <> 'outbox' and s.renamed
      and s.op <> (select arg_min(o.op, (o.started_ns, o.op)) from sends as o where o.origin = s.origin)
)
select
    n.client_message_id,
    p.message_id,
    null as conversation_id,
    p.device,
    min(p.mono_ns) as mono_ns,
    'push_failed' as last_step,
    null as missing_step,
    concat('the push worker ', arg_min(p.text, p.mono_ns), ' (message ', p.message_id,
           case when p.device is null then '' else concat(' for ', p.device) end, ', at ', at_s(min(p.mono_ns)), ').') as text,
    p.kind
from pushed as p left join names as n on n.message_id = p.message_id
group by p.kind, n.client_message_id, p.message_id, p.device
union all
select
    s.client_message_id, s.message_id, s.conversation_id, t.device, min(t.mono_ns), 'client_send_failed', null,
    concat('the client on ', t.device, ' ', arg_min(t.text, t.mono_ns), ' (message ', s.client_message_id, ', at ', at_s(min(t.mono_ns)), ').'),
    t.kind
from tried as t join sends as s on s.op = t.op
group by t.kind, s.client_message_id, s.message_id, s.conversation_id, t.device
