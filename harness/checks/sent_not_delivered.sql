-- title: What was only sent is not shown as delivered
-- promise: receipts = delivered
-- needs: server_accepted, delivery_receipt_received
-- subject: service, client
-- severity: major

-- given
-- Every claim that somebody else than the sender has got a message; whoever claims without a name means anybody else.
create or replace temp view claims as
select
    coalesce(w.client_message_id, n.client_message_id, w.message_id) as message,
    w.message_id,
    w.device,
    w.sender as person,
    s.client_message_id,
    s.conversation_id,
    s.accepted_ns,
    coalesce(w.detail->>'claimed' = 'true', false) as claimed,
    s.sender as author,
    w.mono_ns
from witnessed as w
left join names as n on n.message_id = w.message_id
left join sends as s on s.client_message_id = coalesce(w.client_message_id, n.client_message_id, w.message_id)
where w.event = 'delivery_receipt_received'
  and coalesce(w.client_message_id, n.client_message_id, w.message_id) is not null
  and w.sender is distinct from s.sender;

-- exercised
select count(*) from claims where person is not null or claimed;

-- violations
with judged as (
    select
        c.*,
        (select min(r.first_ns) from receipts as r
         where r.message = c.message and (r.person = c.person or (c.person is null and r.person is distinct from c.author))) as first_ns
    from claims as c
    where c.person is not null or c.claimed
)
select
    client_message_id,
    min(message_id) as message_id,
    min(conversation_id) as conversation_id,
    device,
    min(mono_ns) as mono_ns,
    case when min(accepted_ns) is null then 'client_send_started' else 'server_accepted' end as last_step,
    case when min(first_ns) is null then 'recipient_online_delivered' end as missing_step,
    concat('message ', coalesce(min(message_id), message), ' was shown as delivered on ', device, ' at ', at_s(min(mono_ns)),
           case when claimed then ', by the client of its own accord' else '' end, ', but ',
           case when min(first_ns) is null then concat('no device of ', coalesce(person, 'anybody else'), ' ever got it.')
                else concat('the first device of ', coalesce(person, 'anybody else'), ' got it ',
                            printf('%.1f ms', arg_min(first_ns - mono_ns, mono_ns) / 1e6), ' later.') end) as text,
    case when claimed then 'claimed' else 'false_delivery' end as kind
from judged
where first_ns is null or first_ns > mono_ns
group by message, client_message_id, device, person, claimed
