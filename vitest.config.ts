import { defineConfig } from "vitest/config";

// Unit tests run in parallel on both cores; integration tests start whole agents and measure how
// they react in time, so they run one file after the other, when nothing else does.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/integration/**"],
          pool: "threads",
          maxWorkers: 2,
          // Never reached on a quiet machine; a busy one must not fail what is only slow.
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          pool: "forks",
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
