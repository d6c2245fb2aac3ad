-- title: Nothing appears that nobody sent, or under another name
-- promise: always
-- needs: client_send_started
-- subject: service
-- severity: critical

-- exercised
select count(distinct message) from (select message from deliveries union all select message from readings)
where message is not null;

-- violations
with copies as (
    select message, client_message_id, message_id, conversation_id, device, person, sender, body_digest, mono_ns
    from deliveries
    union all
    select message, client_message_id, message_id, conversation_id, null, person, sender, body_digest, mono_ns
    from readings
),
matched as (
    select
        c.*,
        s.op,
        s.sender as sent_by,
        s.body_digest as sent_digest,
        exists (select 1 from sends as x where x.body_digest = c.body_digest) as body_known,
        exists (select 1 from sends as x where x.body_digest = c.body_digest and x.sender = c.sender) as body_of_sender
    from copies as c left join sends as s on s.client_message_id = c.message
    where c.message is not null
),
found as (
    select *, 'unsent' as kind from matched
    where op is null and (client_message_id is not null or (body_digest is not null and not body_of_sender))
    union all
    select *, 'wrong_sender' from matched where op is not null and sender <> sent_by
    union all
    select *, 'unknown_body' from matched
    where op is not null and sent_digest is not null and body_digest is not null and not body_known
),
firsts as (
    select kind, message, client_message_id, message_id, device, arg_min(person, mono_ns) as person,
           arg_min(sender, mono_ns) as sender, arg_min(sent_by, mono_ns) as sent_by, min(conversation_id) as conversation_id,
           min(mono_ns) as mono_ns
    from found group by kind, message, client_message_id, message_id, device
)
select
    client_message_id,
    message_id,
    conversation_id,
    device,
    mono_ns,
    case when device is null then 'stored' else 'recipient_synced' end as last_step,
    case when kind = 'unsent' then 'client_send_started' end as missing_step,
    concat(
        'message ', coalesce(message_id, client_message_id),
        case when device is null then concat(' in the archive of ', person) else concat(' on ', device) end,
        ' at ', at_s(mono_ns),
        case kind
            when 'unsent' then ' was sent by nobody.'
            when 'wrong_sender' then concat(' is said to be from ', sender, ', but ', sent_by, ' sent it.')
            else ' has a body that nobody sent.'
        end
    ) as text,
    kind
from firsts
