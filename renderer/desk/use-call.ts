/** How a view makes a call: whether one is under way, and why the last one failed. The words beside a failure are the view's own. */
import { useCallback, useEffect, useRef, useState } from 'react';
import type { CallArgument, CallName, CallValue, ErrorValue, Result } from '../../preload/contract';
import { useServices } from './desk';

export interface Calling {
  /** Something is under way. */
  busy: boolean;
  /** Why the last one failed; null from the next one's beginning on. */
  error: ErrorValue | null;
  /**
   * Calls, and resolves with the value; with null if the call failed, or if the view is gone: it must then no longer do what it meant to do, such
   * as closing its dialog.
   */
  call<N extends CallName>(name: N, argument: CallArgument<N>): Promise<CallValue<N> | null>;
  /** The same of work that is more than one call. */
  run<T>(work: () => Promise<Result<T>>): Promise<T | null>;
  /** Takes the last failure away, since the person is at something else. */
  forget(): void;
}

export function useCall(): Calling {
  const { store } = useServices();
  const [running, setRunning] = useState(0);
  const [error, setError] = useState<ErrorValue | null>(null);
  const isThere = useRef(true);
  useEffect(() => {
    isThere.current = true;
    return () => {
      isThere.current = false;
    };
  }, []);

  const run = useCallback(async <T>(work: () => Promise<Result<T>>): Promise<T | null> => {
    setRunning((before) => before + 1);
    setError(null);
    const answer = await work();
    if (!isThere.current) return null;
    setRunning((before) => before - 1);
    if (answer.ok) return answer.value;
    setError(answer.error);
    return null;
  }, []);
  const call = useCallback(
    <N extends CallName>(name: N, argument: CallArgument<N>) => run<CallValue<N>>(() => store.call(name, argument)),
    [run, store],
  );
  const forget = useCallback(() => setError(null), []);
  return { busy: running > 0, error, call, run, forget };
}
