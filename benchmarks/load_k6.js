// k6 against the server of the benchmark: each virtual user sends the next message when the last one is acknowledged.
import { WebSocket } from "k6/websockets";

const TEXT = "Shall we meet at the station at seven, or would you rather walk? (12.3456)";

export const options = { scenarios: { chat: { executor: "per-vu-iterations", vus: Number(__ENV.USERS), iterations: 1, maxDuration: "10m" } } };

export default function () {
  const name = `p${String(__VU).padStart(4, "0")}`;
  const socket = new WebSocket(`ws://127.0.0.1:${__ENV.PORT}/v1/ws`, null, { headers: { Authorization: `Bearer token-of-${name}` } });
  let sent = 0;
  const send = () => {
    sent += 1;
    socket.send(JSON.stringify({
      type: "send", ref: String(sent), client_message_id: `${name}-${String(sent).padStart(6, "0")}-abc123`,
      body: TEXT, client_time_ms: Date.now(), to: "other",
    }));
  };
  socket.onopen = send;
  socket.onmessage = (event) => {
    const ack = JSON.parse(event.data);
    if (ack.type !== "ack" || ack.ref !== String(sent)) throw new Error(`no acknowledgement: ${event.data}`);
    send();
  };
}
