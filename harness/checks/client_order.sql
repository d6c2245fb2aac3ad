-- title: The client under test sends in the order in which its user wrote
-- promise: order = sender, conversation
-- needs: client_send_started, oracle_read
-- subject: client
-- severity: major

-- applies
select count(*) from settings where client = 'none';

-- given
-- Where each message of a device stands in the archive, and when its user wrote it.
create or replace temp table standing as
select s.op, s.client_message_id, s.message_id, s.conversation_id, s.device, s.intended_ns, s.started_ns, s.accepted_ns,
       o.conversation_seq as place
from sends as s
join (select message, min(conversation_seq) as conversation_seq from oracle group by message) as o on o.message = s.client_message_id
where s.intended_ns is not null and s.device is not null and s.conversation_id is not null and o.conversation_seq is not null
  and not s.renamed;

-- exercised
select count(*) from standing;

-- violations
-- What was acknowledged before the other one left is in the service's hands.
select
    l.client_message_id, min(l.message_id) as message_id, l.conversation_id, l.device, min(e.started_ns) as mono_ns,
    'client_send_started' as last_step, null as missing_step,
    concat('the client on ', l.device, ' let message ', arg_min(e.client_message_id, e.started_ns), ' overtake message ', l.client_message_id,
           ', which its user had written before: it left at ', at_s(min(e.started_ns)), ', when the other was not settled yet.') as text,
    'overtaken' as kind
from standing as l
join standing as e
  on e.device = l.device and e.conversation_id = l.conversation_id and e.intended_ns > l.intended_ns and e.place < l.place
 and (l.accepted_ns is null or l.accepted_ns > e.started_ns)
group by l.client_message_id, l.conversation_id, l.device
