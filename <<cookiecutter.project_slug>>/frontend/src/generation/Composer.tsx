import { useId, useState } from "react";
import type { FormEvent } from "react";
import { explainHere } from "../app/api";
import { useResource } from "../app/resource";
import { useStored } from "../app/stored";
import { getChoices } from "./api";
import type { Length, RunParams } from "./api";

const LENGTHS = ["short", "standard", "long"] as const satisfies readonly Length[];
const STREAMING = ["on", "off"] as const;

/** What is in the form: kept by the page, so that a run's text can be put back into it. */
export interface Wish {
  readonly text: string;
  readonly prompt: string | null;
  readonly provider: string | null;
  readonly length: Length;
}

export const NO_WISH: Wish = { text: "", prompt: null, provider: null, length: "standard" };

export interface ComposerProps {
  readonly wish: Wish;
  readonly onWish: (wish: Wish) => void;
  readonly streaming: boolean;
  readonly onStreaming: (streaming: boolean) => void;
  readonly onStart: (params: RunParams, title: string) => void;
}

/** Whether runs are streamed, as this browser remembers it. */
export function useStreaming(): [boolean, (streaming: boolean) => void] {
  const [streaming, setStreaming] = useStored("generation-streaming", STREAMING, "on");
  return [streaming === "on", (wanted) => setStreaming(wanted ? "on" : "off")];
}

/** The form that starts runs. Its text stays, for a run by another prompt. */
export function Composer({ wish, onWish, streaming, onStreaming, onStart }: ComposerProps) {
  const { data: choices, error } = useResource("run-options", getChoices);
  const [missing, setMissing] = useState(false);
  const id = useId();
  const prompts = choices?.prompts ?? [];
  const providers = choices?.providers ?? [];
  const prompt = prompts.find(({ name }) => name === wish.prompt) ?? prompts.find(({ name }) => name === "summary") ?? prompts[0];
  const provider = providers.find(({ name }) => name === wish.provider) ?? providers[0];
  const tooLong = choices !== null && wish.text.length > choices.max_text;

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setMissing(wish.text.trim() === "");
    if (wish.text.trim() === "" || tooLong || prompt === undefined) return;
    const params = { text: wish.text, prompt: prompt.name, options: { provider: provider?.name ?? null, length: wish.length } };
    onStart(params, `${prompt.title} of “${clip(wish.text)}”`);
  };

  const complaint = tooLong
    ? `The text has ${wish.text.length.toLocaleString()} characters, and the limit is ${choices.max_text.toLocaleString()}. Shorten it.`
    : missing && wish.text.trim() === ""
      ? "There is no text yet. Paste one."
      : null;
  return (
    <form className="composer" onSubmit={submit} noValidate>
      <p className="composer__text">
        <label htmlFor={`${id}-text`}>Text</label>
        <textarea
          id={`${id}-text`}
          className="field"
          value={wish.text}
          onChange={(event) => onWish({ ...wish, text: event.target.value })}
          placeholder="Paste a text, plain or Markdown"
          aria-invalid={complaint !== null}
          aria-describedby={complaint === null ? undefined : `${id}-complaint`}
          rows={12}
        />
      </p>
      {complaint !== null && (
        <p className="composer__complaint" id={`${id}-complaint`} role="alert">
          {complaint}
        </p>
      )}
      <div className="composer__choices">
        <p>
          <label htmlFor={`${id}-prompt`}>Prompt</label>
          <select
            id={`${id}-prompt`}
            className="field"
            value={prompt?.name ?? ""}
            onChange={(event) => onWish({ ...wish, prompt: event.target.value })}
            aria-describedby={`${id}-about`}
          >
            {prompts.map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </p>
        {providers.length > 1 && (
          <p>
            <label htmlFor={`${id}-provider`}>Written by</label>
            <select id={`${id}-provider`} className="field" value={provider?.name} onChange={(event) => onWish({ ...wish, provider: event.target.value })}>
              {providers.map(({ name, title, model }) => (
                <option key={name} value={name}>
                  {`${title} (${model})`}
                </option>
              ))}
            </select>
          </p>
        )}
        <p className="soft composer__about" id={`${id}-about`}>
          {prompt?.description ?? explainHere(error) ?? ""}
        </p>
        <fieldset className="switch">
          <legend className="visually-hidden">Length</legend>
          {LENGTHS.map((length) => (
            <label key={length}>
              <input type="radio" name={`${id}-length`} value={length} checked={wish.length === length} onChange={() => onWish({ ...wish, length })} />
              <span>{length.charAt(0).toUpperCase() + length.slice(1)}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <div className="composer__start">
        <label className="composer__streaming">
          <input type="checkbox" role="switch" checked={streaming} aria-checked={streaming} onChange={(event) => onStreaming(event.target.checked)} />
          Show it while it is written
        </label>
        <button type="submit" className="button button--primary" disabled={prompt === undefined}>
          Generate
        </button>
      </div>
    </form>
  );
}

/** The beginning of a text's first line, as the server has it in the run's title. */
function clip(text: string): string {
  const [first = ""] = text.replace(/^[\s#>*-]+/, "").split("\n", 1);
  const line = first.slice(0, 240).trim().split(/\s+/).join(" ");
  return line.length <= 60 ? line : `${line.slice(0, 59).trimEnd()}…`;
}
