-- title: What was acknowledged before comes before, in the archive and on every live connection
-- promise: order = sender, conversation
-- needs: client_send_started, server_accepted, oracle_read
-- subject: service
-- severity: major

-- given
create or replace temp view lanes as
select s.*, case when p.promised_order = 'sender' then s.device end as lane from sends as s, settings as p;

-- A message stored twice is a duplicate, not a reordering: its first place binds others, its last place is bound.
create or replace temp view archived as
select l.*, p.first_seq, p.last_seq
from lanes as l join (
    select message, min(conversation_seq) as first_seq, max(conversation_seq) as last_seq
    from oracle where conversation_seq is not null group by message
) as p on p.message = l.client_message_id;

-- The highest place that was acknowledged before each operation began: one sweep over starts and acknowledgements.
create or replace temp view archive_bounds as
with moments as (
    select conversation_id, lane, started_ns as at_ns, 0 as acked, op, null as seq from archived
    union all
    select conversation_id, lane, accepted_ns, 1, op, first_seq from archived where accepted_ns is not null
)
select op, acked, max(seq) over sofar as bound_seq, arg_max(op, seq) over sofar as bound_op
from moments
window sofar as (partition by conversation_id, lane order by at_ns, acked, op rows unbounded preceding);

-- exercised
select count(*) from archive_bounds where acked = 0 and bound_seq is not null;

-- violations
with archive_breaks as (
    select a.*, b.bound_op, b.bound_seq
    from archive_bounds as b join archived as a on a.op = b.op
    where b.acked = 0 and b.bound_seq > a.last_seq
),
arrivals as (
    select message, device, connection, observer, min(mono_ns) as came_ns
    from deliveries where live and connection is not null
    group by message, device, connection, observer
),
arrived as (
    select l.op, l.client_message_id, l.message_id, l.conversation_id, l.lane, l.started_ns, l.accepted_ns,
           a.device as seen_on, a.connection, a.observer, a.came_ns
    from lanes as l join arrivals as a on a.message = l.client_message_id
),
live_moments as (
    select conversation_id, lane, connection, seen_on, observer, started_ns as at_ns, 0 as acked, op, came_ns as own_ns, null as came_ns
    from arrived
    union all
    select conversation_id, lane, connection, seen_on, observer, accepted_ns, 1, op, null, came_ns
    from arrived where accepted_ns is not null
),
live_bounds as (
    select op, seen_on, connection, acked, own_ns, max(came_ns) over sofar as bound_ns, arg_max(op, came_ns) over sofar as bound_op
    from live_moments
    window sofar as (
        partition by conversation_id, lane, connection, seen_on, observer order by at_ns, acked, op rows unbounded preceding
    )
),
live_breaks as (
    select op, seen_on, min(own_ns) as own_ns, any_value(bound_op) as bound_op, arg_min(connection, own_ns) as connection
    from live_bounds where acked = 0 and bound_ns > own_ns
    group by op, seen_on
),
openings as (
    select connection, min(mono_ns) as opened_ns from events where event = 'connection_opened' group by connection
),
claims as (
    select message_id, conversation_id, conversation_seq, mono_ns from witnessed where event = 'server_accepted'
    union all
    select message_id, conversation_id, conversation_seq, mono_ns from deliveries
    union all
    select message_id, conversation_id, conversation_seq, mono_ns from readings
),
disagreed as (
    select message_id, min(conversation_id) as conversation_id, max(mono_ns) as mono_ns,
           string_agg(distinct conversation_seq::varchar, ' and ' order by conversation_seq::varchar) as seqs
    from claims
    where message_id is not null and conversation_seq is not null
    group by message_id
    having count(distinct conversation_seq) > 1
),
shared as (
    select conversation_id, conversation_seq, max(message_id) as message_id, max(mono_ns) as mono_ns,
           string_agg(message_id, ' and ' order by message_id) as message_ids
    from oracle
    where conversation_id is not null and conversation_seq is not null and message_id is not null
    group by conversation_id, conversation_seq
    having count(distinct message_id) > 1
)
select
    b.client_message_id,
    b.message_id,
    b.conversation_id,
    null as device,
    b.started_ns as mono_ns,
    'stored' as last_step,
    null as missing_step,
    concat('message ', coalesce(b.message_id, b.client_message_id), ' from ', b.device, ' began at ', at_s(b.started_ns),
           ', after ', coalesce(f.message_id, f.op), ' was acknowledged at ', at_s(f.accepted_ns),
           ', yet the archive has it before: place ', b.last_seq, ' against ', b.bound_seq, '.') as text,
    'archive' as kind
from archive_breaks as b join sends as f on f.op = b.bound_op
union all
select
    s.client_message_id, s.message_id, s.conversation_id, b.seen_on, b.own_ns, 'recipient_online_delivered', null,
    concat('message ', coalesce(s.message_id, s.client_message_id), ' from ', s.device, ' began at ', at_s(s.started_ns),
           ', after ', coalesce(f.message_id, f.op), ' was acknowledged at ', at_s(f.accepted_ns), ', yet ', b.seen_on,
           ' got it first on one live connection, at ', at_s(b.own_ns),
           -- A device that comes back is told what was kept for it and what is new at the same time.
           case when b.own_ns - o.opened_ns < 1000000000
                then printf(', %d ms after that had opened', (b.own_ns - o.opened_ns) // 1000000) end, '.'),
    'live'
from live_breaks as b join sends as s on s.op = b.op join sends as f on f.op = b.bound_op left join openings as o using (connection)
union all
select
    n.client_message_id, d.message_id, d.conversation_id, null, d.mono_ns, 'stored', null,
    concat('message ', d.message_id, ' was given different places in its conversation: ', d.seqs, '.'),
    'disagree'
from disagreed as d left join names as n on n.message_id = d.message_id
union all
select
    null, message_id, conversation_id, null, mono_ns, 'stored', null,
    concat('messages ', message_ids, ' have the same place ', conversation_seq, ' in conversation ', conversation_id, '.'),
    'shared'
from shared
