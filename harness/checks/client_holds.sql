-- title: The client under test stays up, and forgets nothing that its user wrote
-- promise: always
-- needs: client_send_started
-- subject: client
-- severity: critical

-- applies
select count(*) from settings where client = 'none';

-- exercised
select count(distinct origin) from sends;

-- violations
select
    coalesce(client_message_id, op) as client_message_id,
    null as message_id,
    conversation_id,
    device,
    mono_ns,
    case when attempt is null then 'local_pending' else 'client_send_started' end as last_step,
    'server_accepted' as missing_step,
    concat('the client on ', device, ' said at ', at_s(mono_ns), ' that it had nothing left to send, but message ', op, ', which it ',
           case when attempt is null then 'was given, it never sent.' else 'had tried to send, was neither accepted nor shown as failed.' end) as text,
    'forgotten' as kind
from witnessed
where event = 'client_send_failed' and error_code = 'forgotten'
union all
select
    null, null, null, device, mono_ns, null, null,
    concat('the client on ', device, ' is broken since ', at_s(mono_ns), ': ', coalesce(detail->>'what', error_code), '.'),
    error_code
from witnessed
where event = 'client_broken'
