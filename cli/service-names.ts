/** Service names on the command line, and their paths in the local API. */
import { DEFAULT_NAMESPACE, parseServiceName, type ServiceName } from "../core/names.ts";
import { usageError } from "./command.ts";

/** "NAME" or "NAMESPACE/NAME". Throws `usage`. */
export function readServiceName(text: string): ServiceName {
  const parsed = parseServiceName(text);
  if (parsed !== undefined) return parsed;
  throw usageError(
    `"${text}" is not a service name: NAME or NAMESPACE/NAME, both DNS labels (1 to 63 of a-z, ` +
      '0-9 and "-", no "-" at either end)',
  );
}

export function servicePath({ namespace, name }: ServiceName): string {
  return `/v1/services/${namespace}/${name}`;
}

/** "web", "shop/web": without the default namespace. */
export function shortName({ namespace, name }: ServiceName): string {
  return namespace === DEFAULT_NAMESPACE ? name : `${namespace}/${name}`;
}
