// What the tabs of this page tell each other. Only that something changed: what it is, each reads from the vault.

const channel = globalThis.BroadcastChannel ? new BroadcastChannel("tallystick") : null;

export const tell = (text) => channel?.postMessage(text);

export const listen = (heard) => {
  if (channel) channel.onmessage = ({ data }) => heard(String(data));
};
