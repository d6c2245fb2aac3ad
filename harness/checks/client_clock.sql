-- title: Clocks of clients never decide on the order
-- promise: order = sender, conversation
-- needs: client_send_started, server_accepted, oracle_read
-- subject: service
-- severity: major

-- applies
select count(*) from sends where abs(clock_off_ns) > 1000000000;

-- given
create or replace temp view placed as
select s.op, s.client_message_id, s.message_id, s.conversation_id, s.device, s.started_ns, s.accepted_ns, s.client_time_ns,
       coalesce(abs(s.clock_off_ns) > 1000000000, false) as wrong,
       case when p.promised_order = 'sender' then s.device end as lane, o.first_seq, o.last_seq
from sends as s
cross join settings as p
join (
    select message, min(conversation_seq) as first_seq, max(conversation_seq) as last_seq
    from oracle where conversation_seq is not null group by message
) as o on o.message = s.client_message_id
where s.client_time_ns is not null and s.conversation_id is not null;

-- Messages before which another was acknowledged that claims a later time, one of the two by a clock that is more than a
-- second off: a sweep over beginnings and acknowledgements.
create or replace temp view contradicted as
with moments as (
    select conversation_id, lane, started_ns as at_ns, 0 as acked, op, null as client_time_ns, wrong from placed
    union all
    select conversation_id, lane, accepted_ns, 1, op, client_time_ns, wrong from placed where accepted_ns is not null
),
latest as (
    select op, acked, max(client_time_ns) over sofar as latest_ns, max(client_time_ns) filter (wrong) over sofar as latest_wrong_ns
    from moments
    window sofar as (partition by conversation_id, lane order by at_ns, acked, op rows unbounded preceding)
)
select p.*
from placed as p join latest as l on l.op = p.op and l.acked = 0
where case when p.wrong then l.latest_ns else l.latest_wrong_ns end > p.client_time_ns;

-- exercised
select count(*) from contradicted;

-- violations
select
    b.client_message_id,
    b.message_id,
    b.conversation_id,
    null as device,
    min(b.started_ns) as mono_ns,
    'stored' as last_step,
    null as missing_step,
    concat('message ', coalesce(b.message_id, b.client_message_id), ' from ', min(b.device), ' began at ', at_s(min(b.started_ns)),
           ', after ', arg_min(coalesce(a.message_id, a.op), a.op), ' was acknowledged, yet stands before it in the archive: there the clocks of the clients decided.')
        as text,
    'by_client_clock' as kind
from contradicted as b
join placed as a
  on a.conversation_id = b.conversation_id and a.lane is not distinct from b.lane
 and (a.wrong or b.wrong)
 and a.accepted_ns < b.started_ns and a.client_time_ns > b.client_time_ns and a.first_seq > b.last_seq
group by b.op, b.client_message_id, b.message_id, b.conversation_id
