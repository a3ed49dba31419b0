// The folders above it may have locks of their own.
export default { turbopack: { root: import.meta.dirname } };
