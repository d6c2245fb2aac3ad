-- What the checks read: the events of one run, arranged by message, device and fault.
-- A message is known by its client's id; a copy without one is matched by the server's.

-- What was promised, and by whom: one row, which the runner of checks fills in.
create table settings (
    promised_order varchar,
    deliver_within_ns bigint,
    recover_within_ns bigint,
    idempotency_window_ns bigint,
    retention_ns bigint,
    client varchar
);

create view witnessed as
select * from events where observer in ('client', 'wire');

-- Some events carry the server's id only; whoever saw both ids tells which client's id it stands for, the sender first.
create table names as
select
    message_id,
    coalesce(min(client_message_id) filter (event = 'server_accepted'), min(client_message_id)) as client_message_id
from events
where observer in ('client', 'wire', 'oracle') and message_id is not null and client_message_id is not null
group by message_id;

-- What was recorded of sends. An operation whose client gave the message another id became another message with it:
-- the service can only know the ids, so each is judged as a message of its own.
create table sendings as
select
    *,
    coalesce(op, client_message_id) as origin,
    coalesce(min(client_message_id) over same <> max(client_message_id) over same, false) as renamed,
    case when renamed then coalesce(client_message_id, op) else coalesce(op, client_message_id) end as name,
    coalesce(attempt, 1) as number,
    -- By how much the client's clock is off: a message is dated when its user wrote it, not when it could leave.
    case when event = 'client_send_started'
         then client_time_ns - (wall_ns - mono_ns + coalesce(intended_ns, mono_ns)) end as clock_off_ns
from witnessed
where event in ('client_send_started', 'server_accepted', 'client_send_failed') and coalesce(op, client_message_id) is not null
window same as (partition by coalesce(op, client_message_id));

-- One row per wire attempt. An attempt whose end nobody saw is unknown, never failed.
create table attempts as
select
    name as op,
    number as attempt,
    min(origin) as origin,
    min(mono_ns) filter (event = 'client_send_started') as started_ns,
    min(mono_ns) filter (event = 'server_accepted') as accepted_ns,
    min(mono_ns) filter (event = 'client_send_failed') as failed_ns,
    case
        when count(*) filter (event = 'server_accepted') > 0 then 'ok'
        when count(*) filter (event = 'client_send_failed' and outcome is distinct from 'fail') > 0 then 'unknown'
        when count(*) filter (event = 'client_send_failed') > 0 then 'fail'
        else 'unknown'
    end as outcome,
    min(error_code) filter (event = 'client_send_failed') as error_code,
    min(http_status) filter (event = 'client_send_failed') as http_status,
    max(retry_after_ms) filter (event = 'client_send_failed') as retry_after_ms,
    min(device) filter (event = 'client_send_started') as device,
    min(credential_ref) filter (event = 'client_send_started') as credential_ref
from sendings
group by name, number
having count(*) filter (event = 'client_send_started') > 0;

-- One row per message of an operation: a send with all its attempts.
create table sends as
with said as (
    select
        name as op,
        min(origin) as origin,
        bool_or(renamed) as renamed,
        min(coalesce(client_message_id, op)) as client_message_id,
        arg_min(conversation_id, mono_ns) as conversation_id,
        arg_min(sender, mono_ns) filter (event = 'client_send_started') as sender,
        arg_min(recipient, mono_ns) filter (event = 'client_send_started') as recipient,
        arg_min(device, mono_ns) filter (event = 'client_send_started') as device,
        arg_min(body_digest, mono_ns) filter (event = 'client_send_started') as body_digest,
        arg_min(client_time_ns, mono_ns) filter (event = 'client_send_started') as client_time_ns,
        arg_min(clock_off_ns, mono_ns) as clock_off_ns,
        arg_min(intended_ns, mono_ns) filter (event = 'client_send_started') as intended_ns,
        arg_min(message_id, mono_ns) filter (event = 'server_accepted') as message_id,
        arg_min(conversation_seq, mono_ns) filter (event = 'server_accepted') as conversation_seq,
        min(mono_ns) filter (event = 'client_send_failed' and detail->>'final' = 'true') as given_up_ns
    from sendings
    group by name
),
tried as (
    select
        op,
        count(*) as attempts,
        max(attempt) as last_attempt,
        min(started_ns) as started_ns,
        max(started_ns) as last_started_ns,
        min(accepted_ns) as accepted_ns,
        case
            when count(*) filter (outcome = 'ok') > 0 then 'ok'
            when count(*) filter (outcome = 'unknown') > 0 then 'unknown'
            else 'fail'
        end as outcome
    from attempts
    group by op
)
select said.*, tried.* exclude (op) from said join tried using (op);

-- One row per operation: what its user wanted, under however many ids; `refused` for good by the service.
create view operations as
select
    origin,
    min(coalesce(intended_ns, started_ns)) as due_ns,
    min(accepted_ns) as accepted_ns,
    bool_and(outcome = 'fail' and given_up_ns is not null) as refused
from sends
group by origin;

-- Every copy that a device got, before any de-duplication.
create table deliveries as
select
    coalesce(e.client_message_id, n.client_message_id, e.message_id) as message,
    coalesce(e.client_message_id, n.client_message_id) as client_message_id,
    e.message_id,
    e.conversation_id,
    e.conversation_seq,
    e.sender,
    e.body_digest,
    e.device,
    split_part(e.device, '/', 1) as person,
    e.observer,
    e.event = 'recipient_online_delivered' as live,
    e.connection,
    e.cursor_from,
    e.cursor_to,
    e.mono_ns
from witnessed as e left join names as n using (message_id)
where e.event in ('recipient_online_delivered', 'recipient_synced') and e.device is not null;

-- One row per message and device: when it first came, and how.
create table receipts as
select
    message,
    device,
    min(client_message_id) as client_message_id,
    min(message_id) as message_id,
    min(person) as person,
    min(mono_ns) filter (live) as first_live_ns,
    min(mono_ns) filter (not live) as first_sync_ns,
    min(mono_ns) as first_ns,
    count(*) as copies
from deliveries
group by message, device;

-- One row per message to a single device: its send, and when it first came there.
create table device_mail as
with sent as (
    select
        client_message_id,
        min(detail->>'to') as device,
        min(device) as sent_by,
        count(distinct coalesce(attempt, 1)) filter (event = 'to_device_send_started') as attempts,
        min(mono_ns) filter (event = 'to_device_send_started') as started_ns,
        min(mono_ns) filter (event = 'to_device_accepted') as accepted_ns,
        min(body_digest) filter (event = 'to_device_send_started') as body_digest
    from witnessed
    where event in ('to_device_send_started', 'to_device_accepted') and client_message_id is not null and detail->>'to' is not null
    group by client_message_id
)
select
    s.*,
    min(a.mono_ns) as first_ns,
    min(a.mono_ns) filter (a.body_digest <> s.body_digest) as altered_ns
from sent as s
left join witnessed as a
  on a.event = 'to_device_arrived' and a.client_message_id = s.client_message_id and a.device = s.device
where s.started_ns is not null
group by all;

create table devices as
select
    device,
    split_part(device, '/', 1) as person,
    min(mono_ns) as first_ns,
    max(mono_ns) filter (event = 'sync_completed' and phase = 'final') as final_synced_ns
from witnessed
where event in ('person_online', 'connection_opened', 'sync_completed') and device is not null
group by device;

-- A connection whose end nobody saw lasted as long as its witness did.
create table connections as
with opened as (
    select device, connection, min(mono_ns) as opened_ns, min(writer) as writer
    from witnessed
    where event = 'connection_opened' and device is not null and connection is not null
    group by device, connection
),
ends as (
    select device, connection, mono_ns from witnessed where event = 'connection_lost' and connection is not null
    union all
    select device, null, mono_ns from witnessed where event = 'person_offline'
),
last_words as (
    select writer, max(mono_ns) as mono_ns from events group by writer
)
select
    o.device,
    split_part(o.device, '/', 1) as person,
    o.connection,
    o.opened_ns,
    least(min(e.mono_ns), any_value(w.mono_ns)) as lost_ns
from opened as o
join last_words as w using (writer)
left join ends as e
  on e.device = o.device and coalesce(e.connection, o.connection) = o.connection and e.mono_ns >= o.opened_ns
group by o.device, o.connection, o.opened_ns;

-- Each beginning and each confirmation of a change of who sees what: a person and a conversation, or, for a block,
-- a person and another one whose messages that person no longer gets.
create table changes as
with said as (
    select
        detail->>'change' as change,
        change in ('block', 'unblock') as blocks,
        case when blocks then sender else recipient end as person,
        case when blocks then recipient end as other,
        case when not blocks then conversation_id end as conversation_id,
        event = 'membership_changed' as done,
        mono_ns as at_ns
    from witnessed
    where event in ('membership_changing', 'membership_changed')
)
select
    person,
    other,
    conversation_id,
    change in ('join', 'create', 'block') as starts,
    done,
    at_ns,
    case
        when done then coalesce(
            max(at_ns) filter (not done) over (
                partition by person, other, conversation_id, change order by at_ns, done rows unbounded preceding
            ),
            at_ns
        )
        else at_ns
    end as began_ns
from said
where person is not null
  and change in ('join', 'create', 'leave', 'block', 'unblock')
  and (other is not null or conversation_id is not null);

-- Whom a message is for: `must` get it, `may` get it (a change overlapped with it), or `never`. A message was stored
-- at some moment from its first attempt to its acknowledgement. Nobody else is known to a group of which no change
-- is on record, and its outsiders are unknown too (`closed`).
create table belongs as
with spans as (
    select op, sender, recipient, conversation_id, started_ns, coalesce(accepted_ns, 9223372036854775807) as ended_ns,
           recipient is null and coalesce(conversation_id in (select c.conversation_id from changes as c), false) as grouped
    from sends
),
candidates as (
    select *, unnest(list_distinct([sender, recipient])) as person from spans where not grouped
    union all
    (
        select s.*, c.person from spans as s join changes as c using (conversation_id) where s.grouped
        union
        select *, sender from spans where grouped and sender is not null
    )
),
-- A change is sure once it was confirmed before the message began and nothing to the contrary has begun since.
turns as (
    select
        c.op, c.person, m.other is not null as blocks,
        max(m.began_ns) filter (m.starts and m.done and m.at_ns <= c.started_ns) as on_from_ns,
        max(m.at_ns) filter (not m.starts and m.at_ns <= c.ended_ns) as off_ns,
        max(m.began_ns) filter (not m.starts and m.done and m.at_ns <= c.started_ns) as off_from_ns,
        max(m.at_ns) filter (m.starts and m.at_ns <= c.ended_ns) as on_ns
    from candidates as c
    join changes as m
      on m.person = c.person
     and ((c.grouped and m.conversation_id = c.conversation_id) or m.other = c.sender)
    group by all
),
settled as (
    select op, person, blocks,
           on_from_ns is not null and (off_ns is null or on_from_ns >= off_ns) as surely_on,
           on_ns is null or (off_from_ns is not null and off_from_ns >= on_ns) as surely_off
    from turns
),
inside as (
    select
        c.op, c.person, c.grouped or c.recipient is not null as closed,
        case
            when not c.grouped or t.surely_on then 'must'
            when c.person = c.sender or not coalesce(t.surely_off, true) then 'may'
            else 'never'
        end as member,
        case when b.op is null or b.surely_off then 'no' when b.surely_on then 'yes' else 'perhaps' end as blocked
    from candidates as c
    left join settled as t on t.op = c.op and t.person = c.person and not t.blocks
    left join settled as b on b.op = c.op and b.person = c.person and b.blocks
)
select
    op,
    person,
    closed,
    member,
    case
        when member = 'never' or blocked = 'yes' then 'never'
        when member = 'may' or blocked = 'perhaps' then 'may'
        else 'must'
    end as standing
from inside;

create view members as
select op, person from belongs where standing = 'must';

-- On which devices a message must arrive: those known before it was sent.
-- By equality first: left to itself the planner pairs every send with every device that was there by then.
create table audience as
with theirs as materialized (
    select m.op, d.device, d.person, d.final_synced_ns, d.first_ns from members as m join devices as d on d.person = m.person
)
select s.op, s.client_message_id, s.accepted_ns, d.device, d.person, d.final_synced_ns
from sends as s
join theirs as d on d.op = s.op
where d.device is distinct from s.device and d.first_ns <= s.started_ns;

-- Each request that a provider got, as the provider saw it: from its arrival to its answer.
create view pushes as
select
    message_id,
    push_ref,
    device,
    event = 'push_sent' as taken,
    coalesce(provider_answer = 'unregistered' or http_status = 410, false) as unregistered,
    event = 'push_failed' and not unregistered and coalesce(http_status in (408, 425, 429) or http_status >= 500, true) as retryable,
    coalesce(provider_answer, http_status::varchar) as answer,
    retry_after_ms,
    mono_ns - cast(coalesce(cast(detail->>'took_ms' as double), 0) * 1e6 as bigint) as started_ns,
    mono_ns as ended_ns,
    writer,
    seq
from events
where observer = 'provider' and event in ('push_sent', 'push_failed') and message_id is not null;

-- Each acknowledged message and device of its audience: when it was due and first there, and whether the device was
-- connected when it was accepted.
create view addressed as
select
    a.op, a.device, a.accepted_ns, coalesce(s.intended_ns, s.started_ns) as due_ns, r.first_ns,
    exists (
        select 1 from connections as c where c.device = a.device and c.opened_ns <= a.accepted_ns and c.lost_ns > a.accepted_ns
    ) as online
from audience as a
join sends as s on s.op = a.op
left join receipts as r on r.message = a.client_message_id and r.device = a.device
where a.accepted_ns is not null;

-- The truth at the end: each reading, then each message once.
create table readings as
select
    e.recipient as person,
    coalesce(e.client_message_id, n.client_message_id, e.message_id) as message,
    coalesce(e.client_message_id, n.client_message_id) as client_message_id,
    e.message_id,
    e.conversation_id,
    e.conversation_seq,
    e.sender,
    e.body_digest,
    e.mono_ns
from events as e left join names as n using (message_id)
where e.event = 'oracle_read';

create table oracle as
select
    message,
    message_id,
    min(client_message_id) as client_message_id,
    min(conversation_id) as conversation_id,
    min(conversation_seq) as conversation_seq,
    min(sender) as sender,
    min(body_digest) as body_digest,
    min(mono_ns) as mono_ns
from readings
group by message, message_id;

-- A reading is complete only when it says so and every message that it announces is on record.
create table oracle_status as
with said as (
    select
        recipient as person,
        bool_or(coalesce(detail->>'complete' = 'true', false)) as complete,
        max(cast(detail->>'messages' as bigint)) filter (detail->>'complete' = 'true') as messages,
        max(mono_ns) as completed_ns
    from events
    where event = 'oracle_completed' and recipient is not null
    group by recipient
)
select
    person,
    complete and (select count(*) from readings as r where r.person = said.person) >= coalesce(messages, 0) as complete,
    completed_ns
from said;

create table fault_windows as
select
    fault,
    max(detail->>'kind') as kind,
    max(coalesce(link, service, provider, device, recipient, detail->>'target')) as target,
    min(mono_ns) filter (event = 'fault_commanded') as commanded_ns,
    min(mono_ns) filter (event = 'fault_installed') as installed_ns,
    max(mono_ns) filter (event = 'fault_healed') as healed_ns
from events
where fault is not null and event like 'fault_%'
group by fault;

create table phases as
with begun as (
    select phase, min(mono_ns) filter (event = 'phase_started') as said_ns, min(mono_ns) as seen_ns
    from events
    where phase is not null
    group by phase
)
select phase, coalesce(said_ns, seen_ns) as started_ns from begun;

-- Moments when a witness was itself held up: what is late then may be late in the record only.
-- A lag is the worst of the second before it was told.
create table stalls as
with signs as (
    select
        writer,
        event,
        mono_ns,
        mono_ns - lag(mono_ns) over (partition by writer, event order by mono_ns) as silent_ns,
        cast(coalesce(detail->>'took_ms', detail->>'max_lag_ms', '0') as double) * 1e6 as held_ns
    from events
    where event in ('recorder_heartbeat', 'recorder_stall', 'generator_lag')
      and writer in (select w.writer from events as w where w.observer in ('client', 'wire', 'provider'))
)
select
    writer,
    mono_ns - case event
        when 'recorder_heartbeat' then silent_ns
        when 'recorder_stall' then cast(held_ns as bigint)
        else cast(held_ns as bigint) + 1000000000
    end as from_ns,
    mono_ns as to_ns
from signs
where case event when 'recorder_heartbeat' then silent_ns > 2000000000 when 'recorder_stall' then held_ns >= 100000000 else held_ns > 1000000000 end;

create table run_times as
select
    min(mono_ns) as origin_ns,
    max(mono_ns) as end_ns,
    coalesce((select max(healed_ns) from fault_windows), (select started_ns from phases where phase = 'observe'), min(mono_ns)) as calm_ns,
    coalesce((select started_ns from phases where phase = 'final'), max(mono_ns)) as final_ns,
    coalesce((select started_ns from phases where phase = 'oracle'),
             (select min(mono_ns) from readings), max(mono_ns)) as oracle_ns
from events;

-- Each message and device of its audience that was surely away when it was accepted: it had left on purpose half a
-- second before, over a line that no fault held, and did not come back within a second.
create view unreached as
with presence as (
    select device, mono_ns, event = 'person_offline' as gone
    from witnessed
    where event in ('person_online', 'person_offline', 'connection_opened') and device is not null
),
registered as (
    select device, push_ref, mono_ns from witnessed
    where event = 'push_token_registered' and device is not null and push_ref is not null
),
pairs as (
    select a.op, a.client_message_id, s.message_id, s.conversation_id, s.sender, a.device, s.started_ns, s.accepted_ns,
           arg_max(r.push_ref, r.mono_ns) as push_ref
    from audience as a
    join sends as s on s.op = a.op and s.sender is distinct from a.person and s.accepted_ns is not null
    join registered as r on r.device = a.device and r.mono_ns < s.started_ns
    group by all
),
absences as (
    select
        p.op, p.device,
        max(h.mono_ns) filter (h.gone and h.mono_ns <= p.started_ns - 500000000) as left_ns,
        max(h.mono_ns) filter (not h.gone and h.mono_ns <= p.accepted_ns + 1000000000) as seen_ns,
        min(h.mono_ns) filter (not h.gone and h.mono_ns > p.accepted_ns) as back_ns
    from pairs as p join presence as h on h.device = p.device
    group by p.op, p.device
)
select p.*, x.back_ns
from pairs as p join absences as x using (op, device)
where x.left_ns > coalesce(x.seen_ns, 0)
  and not exists (
      select 1 from fault_windows as f
      where f.kind like 'network.%' and f.target like 'client%'
        and coalesce(f.commanded_ns, f.installed_ns) <= p.started_ns and (f.healed_ns is null or f.healed_ns >= x.left_ns)
  );

-- Acknowledged messages that were to be kept as long, and whose complete reading lacks them.
create view lost as
select s.op, m.person
from sends as s
join members as m using (op)
join oracle_status as o on o.person = m.person and o.complete
cross join run_times as t
cross join settings as p
anti join readings as r on r.person = m.person and r.message = s.client_message_id
where s.accepted_ns <= t.oracle_ns and (p.retention_ns is null or s.accepted_ns >= t.oracle_ns - p.retention_ns);

-- Pushes that such devices are owed. What failed is due again after a wait that may grow with what it has cost so far;
-- what was accepted while something was broken may have waited as long as that lasted.
create view owed_pushes as
with asked as (
    select
        message_id, device,
        count(*) as requests,
        min(ended_ns) filter (taken) as taken_ns,
        bool_or(not taken and not retryable) as refused,
        max(ended_ns + coalesce(retry_after_ms, 0) * 1000000) filter (not taken)
            + 2 * (max(ended_ns) filter (not taken) - min(ended_ns) filter (not taken)) as wait_ns
    from pushes
    where device is not null
    group by message_id, device
),
tokens as (
    select push_ref, min(ended_ns) filter (not taken) as failed_ns, min(ended_ns) filter (unregistered) as unregistered_ns,
           max(ended_ns) as last_ns, arg_max(taken, ended_ns) as last_taken, arg_max(answer, ended_ns) as last_answer
    from pushes
    where push_ref is not null
    group by push_ref
),
due as (
    select
        u.*,
        k.failed_ns, k.unregistered_ns, k.last_ns, k.last_answer,
        coalesce(k.unregistered_ns is null and not k.last_taken, false) as ended_in_failure,
        coalesce(q.requests, 0) as requests,
        q.taken_ns,
        coalesce(q.refused, false) as refused,
        greatest(u.accepted_ns, t.healed_ns) as since_ns,
        greatest(
            u.accepted_ns + 2 * greatest(t.healed_ns - u.accepted_ns, 0),
            coalesce(q.wait_ns, 0)
        ) + p.deliver_within_ns as due_ns,
        t.healed_ns, t.final_ns
    from unreached as u
    cross join (select final_ns, coalesce((select max(healed_ns) from fault_windows), 0) as healed_ns from run_times) as t
    cross join settings as p
    left join asked as q on q.message_id = u.message_id and q.device = u.device
    left join tokens as k on k.push_ref = u.push_ref
),
-- A token that was not used again after a failure, though later messages were due for it, was dropped.
silent as (
    select distinct push_ref from due
    where ended_in_failure and requests = 0 and accepted_ns > last_ns and due_ns <= final_ns and (back_ns is null or back_ns > due_ns)
)
select *, push_ref in (select push_ref from silent) as silent from due;

create macro at_s(ns) as printf('%.3f s', (ns - (select origin_ns from run_times)) / 1e9);
