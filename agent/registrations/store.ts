/**
 * Where registrations outlive the agent. The values are plain JSON data; the transport keeps them
 * in the agent's database.
 */
export interface RegistrationStore {
  /** Returns, or resolves, once the value is durable; it replaces an earlier one. */
  put(key: string, value: unknown): Promise<void> | void;
  /** Returns, or resolves, once the deletion is durable. An unknown key is fine. */
  delete(key: string): Promise<void> | void;
  all(): Iterable<readonly [key: string, value: unknown]>;
}
