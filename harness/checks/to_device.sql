-- title: A message to a device is kept until the device has confirmed it, and comes no more after that
-- promise: durability = process_crash, power_loss
-- needs: to_device_accepted, to_device_arrived, to_device_confirmed
-- subject: service
-- severity: critical

-- applies
select count(*) from events where event = 'to_device_accepted';

-- given
-- Offered is a message by each connection of its device that lasted once the last fault was gone, as in recovered. Lost is
-- what a device has not got that has followed its cursor to the end, in time after the message was accepted.
create or replace temp table judged_mail as
with offers as (
    select m.client_message_id, greatest(m.accepted_ns, t.calm_ns, c.opened_ns) as since_ns, c.lost_ns
    from device_mail as m
    cross join run_times as t
    join connections as c on c.device = m.device and c.lost_ns > greatest(m.accepted_ns, t.calm_ns)
),
due as (
    select o.client_message_id, min(o.since_ns) as since_ns, min(o.since_ns) + any_value(p.deliver_within_ns) as due_ns
    from offers as o, settings as p, run_times as t
    where o.since_ns + p.deliver_within_ns <= least(o.lost_ns, t.final_ns)
    group by o.client_message_id
),
known as (
    select
        m.*, u.due_ns, d.final_synced_ns,
        m.accepted_ns + coalesce(p.deliver_within_ns, 0) <= d.final_synced_ns as followed,
        exists (select 1 from stalls as x where x.from_ns <= u.due_ns and x.to_ns >= u.since_ns) as stalled
    from device_mail as m
    cross join settings as p
    left join due as u on u.client_message_id = m.client_message_id
    left join devices as d on d.device = m.device
    where m.accepted_ns is not null
      -- Who logs in afresh is a new device to many services, which forget what was left for the old one.
      and not exists (
          select 1 from witnessed as w
          where w.event = 'token_issued' and w.device = m.device and w.mono_ns > m.started_ns
            and (m.first_ns is null or w.mono_ns < m.first_ns)
      )
)
select
    *,
    case
        when altered_ns is not null then 'altered'
        when first_ns is null and followed then 'lost'
        when due_ns is not null and coalesce(first_ns > due_ns, true) then case when stalled then 'excused' else 'late' end
        when first_ns is null then case when final_synced_ns is null then 'unknown' else 'not_due' end
        else 'there'
    end as fate
from known;

-- exercised
select count(*) from judged_mail where fate in ('altered', 'late', 'lost', 'there');

-- undecided
select count(*) from judged_mail where fate in ('excused', 'unknown');

-- violations
-- What its sender had to send twice may come twice: that is the sender's doing.
with confirmed as (
    select client_message_id, device, min(mono_ns) as confirmed_ns
    from witnessed
    where event = 'to_device_confirmed' and client_message_id is not null and device is not null
    group by all
),
again as (
    select m.client_message_id, m.device, m.sent_by, min(c.confirmed_ns) as confirmed_ns, min(w.mono_ns) as mono_ns
    from judged_mail as m
    join confirmed as c on c.client_message_id = m.client_message_id and c.device = m.device
    join witnessed as w on w.client_message_id = m.client_message_id and w.device = m.device
    where w.event = 'to_device_arrived' and w.via = 'live' and w.mono_ns > c.confirmed_ns and m.attempts = 1
    group by all
)
select
    client_message_id,
    null as message_id,
    null as conversation_id,
    device,
    case fate when 'lost' then final_synced_ns when 'late' then due_ns else altered_ns end as mono_ns,
    case fate when 'altered' then 'to_device_arrived' else 'to_device_accepted' end as last_step,
    case fate when 'lost' then 'recipient_synced' when 'late' then 'recipient_online_delivered' end as missing_step,
    concat('message ', client_message_id, ' from ', sent_by, ' to the device ', device, ', accepted at ', at_s(accepted_ns),
           case fate
               when 'lost' then concat(', never came, though the device fetched everything at ', at_s(final_synced_ns), '.')
               when 'late' then concat(', was due there, which was connected, by ', at_s(due_ns), ', but ',
                                       case when first_ns is null then 'had not come by the end.' else concat('came at ', at_s(first_ns), '.') end)
               else ', has another body there than the one that was sent.'
           end) as text,
    fate as kind
from judged_mail
where fate in ('altered', 'late', 'lost')
union all
select
    client_message_id, null, null, device, mono_ns, 'to_device_confirmed', null,
    concat('message ', client_message_id, ' from ', sent_by, ' came to the device ', device, ' again at ', at_s(mono_ns),
           ', after the service had been told at ', at_s(confirmed_ns), ' that it is there.'),
    'again'
from again
