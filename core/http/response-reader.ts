/**
 * Reads the answers of one server connection, each in the light of the request that it belongs to
 * (RFC 9112 §6.3): HEAD has no body whatever the head says, 1xx comes before the real answer, 101
 * ends HTTP on the connection, and an answer without a length lasts until the connection ends. What
 * two readers could frame in two ways is refused here too, or an instance could answer one
 * request and thereby the next caller's.
 */
import type { RawHeaders, ResponseHead } from "../exchange/contract.ts";
import { type BodyLength, BodyReader, type BodySink } from "./body-reader.ts";
import { type FieldSection, parseFields } from "./fields.ts";
import { SECTION_FAULTY, SECTION_UNFINISHED, SectionReader } from "./section-reader.ts";
import { type HttpFault, NO_FIELDS, parseDecimal } from "./syntax.ts";

export interface ResponseSink extends BodySink {
  /** A 1xx head other than 101. */
  onInformational(head: ResponseHead): void;
  onResponse(head: ResponseHead): void;
  onResponseEnd(trailers: RawHeaders): void;
}

interface ParsedResponse {
  readonly head: ResponseHead;
  readonly body: BodyLength;
  readonly keepAlive: boolean;
  /** From Keep-Alive: timeout=N, in milliseconds. */
  readonly keepAliveMs: number | undefined;
}

/** More 1xx heads than any server sends before one answer. */
const INFORMATIONAL_MAX = 32;

export class ResponseReader {
  readonly #head = new SectionReader("response");
  readonly #body = new BodyReader();
  #state: "idle" | "head" | "body" | "tunnel" | "fault" = "idle";
  #method = "";
  #mayUpgrade = false;
  #informational = 0;
  fault: HttpFault | undefined;
  /** After an answer has ended: whether the connection can take another request. */
  keepAlive = true;
  /** How long the server says that it keeps an idle connection. */
  keepAliveMs: number | undefined;

  /** A request has been sent whose answer is to be read. */
  expect(method: string, mayUpgrade: boolean): void {
    this.#method = method;
    this.#mayUpgrade = mayUpgrade;
    this.#informational = 0;
    this.#head.reset();
    this.#state = "head";
  }

  /** True after the end of an answer, until the next `expect`. */
  get isIdle(): boolean {
    return this.#state === "idle";
  }

  /** True after a 101: what follows is the tunnel's. */
  get isTunnel(): boolean {
    return this.#state === "tunnel";
  }

  /** Reads up to the end of the answer and gives the offset after what was read. */
  feed(chunk: Uint8Array, from: number, sink: ResponseSink): number {
    let at = from;
    while (at < chunk.length) {
      if (this.#state === "head") {
        const next = this.#head.feed(chunk, at);
        if (next === SECTION_UNFINISHED) return chunk.length;
        if (next === SECTION_FAULTY) return this.#fail(this.#head.fault, chunk.length);
        at = next;
        this.#takeHead(sink);
      } else if (this.#state === "body") {
        at = this.#body.feed(chunk, at, sink);
        if (this.#body.fault !== undefined) return this.#fail(this.#body.fault, chunk.length);
        if (!this.#body.done) return at;
        this.#state = "idle";
        sink.onResponseEnd(this.#body.trailers);
      } else {
        return this.#state === "fault" ? chunk.length : at;
      }
    }
    return at;
  }

  /** The server has ended the connection; true if that was the regular end of an answer. */
  finish(sink: ResponseSink): boolean {
    this.keepAlive = false;
    if (this.#state !== "body" || !this.#body.endsWithConnection) return false;
    this.#state = "idle";
    sink.onResponseEnd(NO_FIELDS);
    return true;
  }

  #takeHead(sink: ResponseSink): void {
    const parsed = parseResponse(this.#head.text, this.#method);
    this.#head.reset();
    if ("code" in parsed) {
      this.#fail(parsed, 0);
      return;
    }
    const { status } = parsed.head;
    if (status === 101) {
      if (!this.#mayUpgrade) {
        this.#fail({ code: "upstream_invalid", message: "a 101 that nobody asked for" }, 0);
        return;
      }
      this.#state = "tunnel";
      this.keepAlive = false;
      sink.onResponse(parsed.head);
      return;
    }
    if (status < 200) {
      this.#informational += 1;
      if (this.#informational > INFORMATIONAL_MAX) {
        this.#fail({ code: "upstream_invalid", message: "too many 1xx answers" }, 0);
      } else sink.onInformational(parsed.head);
      return;
    }
    this.keepAlive = parsed.keepAlive;
    this.keepAliveMs = parsed.keepAliveMs;
    this.#body.begin(parsed.body);
    this.#state = this.#body.done ? "idle" : "body";
    const ended = this.#body.done;
    sink.onResponse(parsed.head);
    if (ended) sink.onResponseEnd(NO_FIELDS);
  }

  #fail(fault: HttpFault | undefined, at: number): number {
    this.#state = "fault";
    this.keepAlive = false;
    this.fault = { code: "upstream_invalid", message: fault?.message ?? "an invalid answer" };
    return at;
  }
}

/** Reads a whole head as the section reader gives it; `method` is the request's. */
function parseResponse(text: string, method: string): ParsedResponse | HttpFault {
  const lineEnd = text.indexOf("\r\n");
  const line = text.slice(0, lineEnd);
  const isOld = line.startsWith("HTTP/1.0 ");
  if (!isOld && !line.startsWith("HTTP/1.1 ")) return bad("a status line that is not HTTP/1.x");
  const status = parseDecimal(line.slice(9, 12));
  if (status === undefined || status < 100)
    return bad("a status that is no number from 100 to 999");
  // The space before the reason is required but often left out together with it.
  if (line.length > 12 && line.charCodeAt(12) !== 32) return bad("a status of more than 3 digits");
  const section = parseFields(text, lineEnd + 2);
  if (section.fault !== undefined) return bad(section.fault.message);
  const body = responseBody(section, status, method, isOld);
  if (typeof body === "object") return body;
  return {
    head: {
      status,
      reason: line.slice(13),
      headers: endToEnd(section, status),
      body: body === "until-close" ? "chunked" : body,
    },
    body,
    keepAlive: body !== "until-close" && readKeepAlive(section, isOld),
    keepAliveMs: readKeepAliveMs(section),
  };
}

function bad(message: string): HttpFault {
  return { code: "upstream_invalid", message };
}

function responseBody(
  section: FieldSection,
  status: number,
  method: string,
  isOld: boolean,
): BodyLength | HttpFault {
  const { transferEncoding, contentLength } = section;
  const length = contentLength === undefined ? undefined : parseDecimal(contentLength);
  if (contentLength !== undefined && length === undefined) {
    return bad("a Content-Length that is no number");
  }
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined) return bad("both Transfer-Encoding and Content-Length");
    if (isOld) return bad("Transfer-Encoding in an HTTP/1.0 answer");
    if (transferEncoding.toLowerCase() !== "chunked") {
      return bad("a transfer coding other than chunked");
    }
  }
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return 0;
  if (transferEncoding !== undefined) return "chunked";
  return length ?? "until-close";
}

/** After a 101 the Upgrade field says which protocol it is, so there it goes on. */
function endToEnd(section: FieldSection, status: number): string[] {
  const { fields } = section;
  if (status === 101 && section.upgrade !== undefined) fields.push("Upgrade", section.upgrade);
  if (status >= 200 && status !== 204) return fields;
  // 1xx and 204 never have a length; some servers send 0, which the next reader may refuse.
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at]?.toLowerCase() === "content-length") {
      fields.splice(at, 2);
      break;
    }
  }
  return fields;
}

function readKeepAlive(section: FieldSection, isOld: boolean): boolean {
  if (section.hasConnectionOption("close")) return false;
  return !isOld || section.hasConnectionOption("keep-alive");
}

function readKeepAliveMs(section: FieldSection): number | undefined {
  if (section.keepAlive === undefined) return undefined;
  const seconds = /(?:^|[,\s])timeout\s*=\s*"?(\d{1,6})/i.exec(section.keepAlive)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
