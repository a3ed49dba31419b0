/** A style sheet is imported for its effect: it exports nothing that exists at run time. */
export type StyleSheet = never;
