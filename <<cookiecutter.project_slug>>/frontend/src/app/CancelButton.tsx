import { useState } from "react";
import { explain } from "./api";
import { Icon } from "./icons";

export interface CancelButtonProps {
  /** What is cancelled, for who cannot see where the button stands. */
  readonly name: string;
  /** Asks the server to cancel. */
  readonly cancel: () => Promise<unknown>;
  /** Whether it has been asked, where somebody else keeps that; by default it has from the click on, until it refuses. */
  readonly cancelling?: boolean | undefined;
  /** What to say when that fails. */
  readonly explainFailure?: ((failure: unknown) => string) | undefined;
  /** The server has answered, well or badly. */
  readonly onAnswer?: (() => void) | undefined;
}

/** A button that asks once; what went wrong stands before it, and it can be pressed again. */
export function CancelButton({ name, cancel, cancelling, explainFailure = explain, onAnswer }: CancelButtonProps) {
  const [asked, setAsked] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const busy = asked || cancelling === true;
  return (
    <>
      {error !== null && (
        <span className="refusal" role="alert">
          {error}
        </span>
      )}
      <button
        type="button"
        className="button button--plain button--danger"
        disabled={busy}
        aria-label={`Cancel ${name}`}
        onClick={() => {
          setAsked(cancelling === undefined);
          setError(null);
          cancel().then(onAnswer, (failure: unknown) => {
            setAsked(false);
            setError(explainFailure(failure));
            onAnswer?.();
          });
        }}
      >
        <Icon name="stop" />
        <span>{busy ? "Cancelling" : "Cancel"}</span>
      </button>
    </>
  );
}
