import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["streamator-source"] },
  test: {
    environment: "happy-dom",
    include: ["tests/**/*.test.{ts,tsx}"],
    setupFiles: "tests/support/setup.ts",
    testTimeout: 30_000,
    isolate: false, // a process and a page of its own takes longer than the tests of most files
    restoreMocks: true,
  },
});
