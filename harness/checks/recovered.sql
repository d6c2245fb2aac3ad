-- title: Once the faults are gone, messages get through in time
-- promise: deliver_within
-- needs: server_accepted, connection_opened
-- subject: service
-- severity: major

-- given
-- Each accepted message and device that still lacked it when the last fault was gone, with each connection that could bring it.
-- What is lost cannot get through: that is the affair of acked_never_lost, if it is one.
create or replace temp view offers as
select a.op, a.device, r.first_ns, c.lost_ns, greatest(a.accepted_ns, t.calm_ns) as since_ns,
       greatest(a.accepted_ns, t.calm_ns, c.opened_ns) + p.deliver_within_ns as due_ns
from audience as a
cross join run_times as t
cross join settings as p
left join receipts as r on r.message = a.client_message_id and r.device = a.device
join connections as c on c.device = a.device and c.lost_ns > greatest(a.accepted_ns, t.calm_ns)
where a.accepted_ns <= t.final_ns and (a.accepted_ns >= t.calm_ns or r.first_ns is null or r.first_ns > t.calm_ns)
  and not (r.first_ns is null and a.op in (select op from lost));

create or replace temp view overdue as
select op, device, min(since_ns) as since_ns, min(due_ns) as due_ns, min(first_ns) as first_ns
from offers
where due_ns <= least(lost_ns, (select final_ns from run_times))
group by op, device
having min(first_ns) is null or min(first_ns) > min(due_ns);

-- Late in the record, but its witness was held up meanwhile.
create or replace temp view excused as
select o.* from overdue as o
where exists (select 1 from stalls as x where x.from_ns <= o.due_ns and x.to_ns >= o.since_ns);

-- exercised
select count(*) from (
    select op, device
    from offers
    group by op, device
    having count(*) filter (due_ns <= least(lost_ns, (select final_ns from run_times))) > 0 or min(first_ns) <= min(due_ns)
);

-- undecided
select count(*) from excused;

-- violations
with presence as (
    select device, mono_ns, event = 'person_online' as here from witnessed where event in ('person_online', 'person_offline')
),
retries as (
    select coalesce(op, client_message_id) as op, max(mono_ns) as retry_ns from witnessed where event = 'client_retry_scheduled' group by 1
),
-- A sender is owed an answer when its client was still trying after the last fault was gone and its device was there.
-- An attempt that was refused and not to be repeated was answered, and one that went on under another id is not waited for.
owed as (
    select s.*, b.base_ns, b.base_ns + p.recover_within_ns as due_ns
    from sends as s
    cross join run_times as t
    cross join settings as p
    left join retries as y on y.op = s.op,
    lateral (
        select greatest(s.started_ns, t.calm_ns,
               (select max(h.mono_ns) from presence as h where h.device = s.device and h.here and h.mono_ns <= t.final_ns)) as base_ns
    ) as b
    where not s.renamed and (y.retry_ns > s.last_started_ns or (s.last_started_ns >= t.calm_ns and s.outcome <> 'fail'))
),
unanswered as (
    select o.* from owed as o, run_times as t
    where o.due_ns <= t.final_ns
      and (o.accepted_ns is null or o.accepted_ns > o.due_ns)
      and (o.given_up_ns is null or o.given_up_ns > o.due_ns)
      and not exists (
          select 1 from presence as h
          where h.device = o.device and not h.here and h.mono_ns <= o.due_ns
            and not exists (select 1 from presence as g where g.device = h.device and g.here and g.mono_ns > h.mono_ns and g.mono_ns <= o.base_ns)
      )
)
select
    s.client_message_id,
    s.message_id,
    s.conversation_id,
    l.device,
    l.due_ns as mono_ns,
    'server_accepted' as last_step,
    'recipient_online_delivered' as missing_step,
    concat('message ', s.message_id, ' from ', s.device, ', acknowledged at ', at_s(s.accepted_ns), ', was due on ', l.device,
           ', which was connected, by ', at_s(l.due_ns), ', but ',
           case when l.first_ns is null then 'never came.' else concat('came at ', at_s(l.first_ns), '.') end) as text,
    'late' as kind
from overdue as l join sends as s using (op) anti join excused as e on e.op = l.op and e.device = l.device
union all
select
    client_message_id, message_id, conversation_id, device, due_ns, 'client_send_started', 'server_accepted',
    concat('message ', client_message_id, ' from ', device, ', sent at ', at_s(started_ns), ', was still not accepted at ', at_s(due_ns),
           ', though every fault was gone.'),
    'not_accepted'
from unanswered as o
where not exists (select 1 from stalls as x where x.from_ns <= o.due_ns and x.to_ns >= o.base_ns)
