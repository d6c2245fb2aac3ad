-- title: The service's time never steps back in a conversation
-- promise: server_time = monotonic
-- needs: server_accepted
-- subject: service
-- severity: minor

-- given
-- Each message with its place and its time as the service told them, and what stood highest before it. A message that
-- was acknowledged before that one began is out of place, not out of time: that is a matter of order.
create or replace temp view dated as
with told as (
    select conversation_id, conversation_seq, message_id, server_time_ns, mono_ns from events
    where event in ('server_accepted', 'recipient_online_delivered', 'recipient_synced', 'oracle_read')
      and conversation_id is not null and conversation_seq is not null and message_id is not null and server_time_ns is not null
),
messages as (
    select conversation_id, message_id, min(conversation_seq) as seq, min(server_time_ns) as least_ns, max(server_time_ns) as most_ns,
           max(mono_ns) as mono_ns
    from told group by conversation_id, message_id
)
select
    conversation_id, message_id, seq, most_ns, mono_ns,
    max(least_ns) over earlier as before_ns,
    arg_max(message_id, (least_ns, message_id)) over earlier as before
from messages
window earlier as (
    partition by conversation_id order by seq range between unbounded preceding and 1 preceding
);

-- exercised
select count(*) from dated where before is not null;

-- violations
select
    n.client_message_id,
    d.message_id,
    d.conversation_id,
    null as device,
    d.mono_ns,
    'stored' as last_step,
    null as missing_step,
    concat('message ', d.message_id, ' at place ', d.seq, ' carries a time of the service ', (d.before_ns - d.most_ns) // 1000000,
           ' ms earlier than message ', d.before, ' before it.') as text,
    'stepped_back' as kind
from dated as d
left join names as n on n.message_id = d.message_id
left join sends as s on s.client_message_id = n.client_message_id
left join names as m on m.message_id = d.before
left join sends as b on b.client_message_id = m.client_message_id
where d.most_ns < d.before_ns and not coalesce(s.accepted_ns < b.started_ns, false)
