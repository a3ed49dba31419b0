import { useId } from "react";
import type { Delivery } from "./delivery";

const choices: readonly { value: Delivery; name: string; hint: string }[] = [
  { value: "stream", name: "Stream", hint: "Lines arrive as they are logged, over one open connection for each log" },
  { value: "socket", name: "Socket", hint: "Lines arrive as they are logged, over a WebSocket for each log" },
  { value: "poll", name: "Poll", hint: "Lines are asked for once a second: for networks that cut long connections" },
];

/** How open logs get their lines. */
export function DeliverySwitch({ value, onChange }: { readonly value: Delivery; readonly onChange: (value: Delivery) => void }) {
  const name = useId();
  return (
    <fieldset className="switch">
      <legend className="visually-hidden">How log lines arrive</legend>
      {choices.map((choice) => (
        <label key={choice.value} title={choice.hint}>
          <input type="radio" name={name} value={choice.value} checked={value === choice.value} onChange={() => onChange(choice.value)} />
          <span>{choice.name}</span>
        </label>
      ))}
    </fieldset>
  );
}
