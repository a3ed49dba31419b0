import { useEffect, useLayoutEffect } from "react";

/** useLayoutEffect. On a server there is no paint to come before, and React 17 and 18 warn of it there. */
export const useEffectBeforePaint = typeof document === "undefined" ? useEffect : useLayoutEffect;
