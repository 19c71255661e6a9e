/**
 * Node's own HTTP parser in its strict mode, as a second opinion on where messages end: it was
 * written by other people from the same RFC.
 */
type Callback = (...parameters: never[]) => number | undefined;

interface RawParser {
  [event: number]: Callback;
  initialize(type: number, resource: object): void;
  execute(bytes: Buffer): number | Error;
}

interface RawParserClass {
  new (): RawParser;
  readonly REQUEST: number;
  readonly RESPONSE: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}

const { HTTPParser } = process.getBuiltinModule("_http_common") as unknown as {
  readonly HTTPParser: RawParserClass;
};

export interface SeenMessage {
  readonly target: string | undefined;
  readonly status: number | undefined;
  body: string;
  isComplete: boolean;
}

/** The messages that it sees, and what it does not like. `noBody`: answers to HEAD. */
export function readIndependently(
  kind: "request" | "response",
  bytes: Uint8Array,
  noBody = false,
): { readonly messages: SeenMessage[]; readonly error: string | undefined } {
  const parser = new HTTPParser();
  const messages: SeenMessage[] = [];
  parser.initialize(kind === "request" ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {});
  // Of a head with many fields the first ones come early, together with the target.
  let early: string | undefined;
  parser[HTTPParser.kOnHeaders] = (_fields: readonly string[], target: string) => {
    if (target !== "") early = target;
    return undefined;
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    _fields: readonly string[],
    _method: number,
    target: string | undefined,
    status: number | undefined,
  ) => {
    messages.push({ target: target ?? early, status, body: "", isComplete: false });
    early = undefined;
    return noBody ? 1 : 0;
  };
  parser[HTTPParser.kOnBody] = (piece: Buffer) => {
    const last = messages.at(-1);
    if (last !== undefined) last.body += piece.toString("latin1");
    return undefined;
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    const last = messages.at(-1);
    if (last !== undefined) last.isComplete = true;
    return undefined;
  };
  const result = parser.execute(Buffer.from(bytes));
  return { messages, error: result instanceof Error ? result.message : undefined };
}
