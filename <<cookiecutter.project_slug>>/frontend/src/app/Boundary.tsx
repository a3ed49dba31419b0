import { Component } from "react";
import type { ReactNode } from "react";

export interface BoundaryProps {
  /** Another one is another page: what failed before is tried anew. */
  readonly page?: string;
  readonly children: ReactNode;
}

interface State {
  readonly page: string | undefined;
  readonly failure: { readonly error: unknown } | null;
}

/** Stands in for a page that throws while it is drawn: says so, and lets everything around it go on. React has no function for that. */
export class Boundary extends Component<BoundaryProps, State> {
  override state: State = { page: this.props.page, failure: null };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { failure: { error } };
  }

  static getDerivedStateFromProps({ page }: BoundaryProps, state: State): State | null {
    return page === state.page ? null : { page, failure: null };
  }

  override render() {
    const { failure } = this.state;
    if (failure === null) return this.props.children;
    return (
      <div className="empty" role="alert">
        <strong>This page has stopped: something in it went wrong.</strong>
        <p>{failure.error instanceof Error ? failure.error.message : String(failure.error)}</p>
        <p className="empty__actions">
          <button type="button" className="button button--primary" onClick={() => this.setState({ failure: null })}>
            Try again
          </button>
          <button type="button" className="button" onClick={() => window.location.reload()}>
            Reload
          </button>
        </p>
      </div>
    );
  }
}
