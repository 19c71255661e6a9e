/**
 * Reads requests from a client's byte stream, one after the other (RFC 9112). It is strict where
 * leniency lets two readers disagree about where a message ends (request smuggling): such a request
 * is a fault, after which nothing more is read from the connection. It stops at the end of each
 * request, so that its owner decides what the bytes behind it are: the next request, or a tunnel.
 */
import type { RawHeaders } from "../exchange/contract.ts";
import { BodyReader, type BodySink } from "./body-reader.ts";
import { type FieldSection, parseFields } from "./fields.ts";
import { SECTION_FAULTY, SECTION_UNFINISHED, SectionReader } from "./section-reader.ts";
import {
  type HttpFault,
  hasListToken,
  isToken,
  listTokens,
  NO_FIELDS,
  parseDecimal,
} from "./syntax.ts";
import { type HostPort, parseHostPort, parseTarget, type TargetForm } from "./target.ts";

export type HttpVersion = "1.0" | "1.1";

export interface IncomingRequest {
  readonly version: HttpVersion;
  readonly method: string;
  readonly form: TargetForm;
  /** Path and query, or "*"; "" for CONNECT. */
  readonly path: string;
  /** What the client dialled: from the target if it names a host, else from Host; "" if neither. */
  readonly authority: string;
  /** `authority` taken apart; undefined where it is "". */
  readonly place: HostPort | undefined;
  /** End-to-end fields; Host agrees with `authority`. The list belongs to the receiver. */
  readonly fields: string[];
  readonly body: number | "chunked";
  /** Undefined for HTTP/1.0, for requests with a body, and for h2c, which would hide requests. */
  readonly upgrade: string | undefined;
  readonly expectContinue: boolean;
  /** The client expects the connection to stay open. */
  readonly keepAlive: boolean;
  /** From grapevine-key. */
  readonly key: string | undefined;
}

export interface RequestSink extends BodySink {
  onRequest(request: IncomingRequest): void;
  onRequestEnd(trailers: RawHeaders): void;
}

const METHOD_LENGTH_MAX = 64;

export class RequestReader {
  readonly #head = new SectionReader("request");
  readonly #body = new BodyReader();
  #state: "head" | "body" | "end" | "fault" = "head";
  fault: HttpFault | undefined;

  /** True between requests: not a byte of the next one has come. */
  get isIdle(): boolean {
    return this.#state === "head" && !this.#head.hasBegun;
  }

  /** True after the last byte of a request, until `next`. */
  get isAtEnd(): boolean {
    return this.#state === "end";
  }

  get isInHead(): boolean {
    return this.#state === "head" && this.#head.hasBegun;
  }

  /** Makes it ready for the request after the one that has ended. */
  next(): void {
    if (this.#state !== "end") return;
    this.#head.reset();
    this.#state = "head";
  }

  /** Reads up to the end of the request and gives the offset after what was read. */
  feed(chunk: Uint8Array, from: number, sink: RequestSink): number {
    let at = from;
    while (at < chunk.length) {
      if (this.#state === "head") {
        const next = this.#head.feed(chunk, at);
        if (next === SECTION_UNFINISHED) return chunk.length;
        if (next === SECTION_FAULTY) return this.#fail(this.#head.fault, chunk.length);
        at = next;
        const request = parseRequest(this.#head.text);
        if ("code" in request) return this.#fail(request, chunk.length);
        this.#body.begin(request.body);
        this.#state = this.#body.done ? "end" : "body";
        sink.onRequest(request);
        if (this.#state === "end") sink.onRequestEnd(NO_FIELDS);
      } else if (this.#state === "body") {
        at = this.#body.feed(chunk, at, sink);
        if (this.#body.fault !== undefined) return this.#fail(this.#body.fault, chunk.length);
        if (!this.#body.done) return at;
        this.#state = "end";
        sink.onRequestEnd(this.#body.trailers);
      } else {
        return this.#state === "end" ? at : chunk.length;
      }
    }
    return at;
  }

  #fail(fault: HttpFault | undefined, at: number): number {
    this.#state = "fault";
    this.fault = fault;
    return at;
  }
}

/** Reads a whole head as the section reader gives it. */
export function parseRequest(text: string): IncomingRequest | HttpFault {
  const lineEnd = text.indexOf("\r\n");
  const methodEnd = text.indexOf(" ");
  const targetEnd = methodEnd < 0 ? -1 : text.indexOf(" ", methodEnd + 1);
  if (targetEnd < 0 || targetEnd > lineEnd) return bad("a request line without three parts");
  const method = text.slice(0, methodEnd);
  if (method.length > METHOD_LENGTH_MAX || !isToken(method))
    return bad("a method that is no token");
  const version = parseVersion(text.slice(targetEnd + 1, lineEnd));
  if (typeof version !== "string") return version;
  const target = parseTarget(method, text.slice(methodEnd + 1, targetEnd));
  if ("code" in target) return target;
  const section = parseFields(text, lineEnd + 2);
  if (section.fault !== undefined) return section.fault;
  const body = method === "CONNECT" ? connectBody(section) : requestBody(section, version);
  if (typeof body === "object") return body;
  const authority = settleAuthority(section, target.authority, version);
  if (typeof authority === "object") return authority;
  const place = authority === "" ? undefined : parseHostPort(authority);
  if (authority !== "" && place === undefined) return bad("a Host that is no host name and port");
  return {
    version,
    method,
    form: target.form,
    path: target.path,
    authority,
    place,
    fields: section.fields,
    body,
    upgrade: readUpgrade(section, version, body),
    expectContinue: readExpect(section, version, body),
    keepAlive: readKeepAlive(section, version),
    key: section.key,
  };
}

function bad(message: string): HttpFault {
  return { code: "bad_request", message };
}

function parseVersion(text: string): HttpVersion | HttpFault {
  if (text === "HTTP/1.1") return "1.1";
  if (text === "HTTP/1.0") return "1.0";
  if (/^HTTP\/[0-9]\.[0-9]$/.test(text)) {
    return { code: "unsupported", message: `${text} is not spoken here, only HTTP/1.0 and 1.1` };
  }
  return bad("a request line that does not end in an HTTP version");
}

/** RFC 9112 §6.3, with every doubtful combination refused. */
function requestBody(section: FieldSection, version: HttpVersion): number | "chunked" | HttpFault {
  const { transferEncoding, contentLength } = section;
  if (transferEncoding === undefined) {
    if (contentLength === undefined) return 0;
    return parseDecimal(contentLength) ?? bad("a Content-Length that is no number");
  }
  if (contentLength !== undefined) return bad("both Transfer-Encoding and Content-Length");
  if (version === "1.0") return bad("Transfer-Encoding in an HTTP/1.0 request");
  const codings = listTokens(transferEncoding.toLowerCase());
  if (codings.at(-1) !== "chunked") return bad("a Transfer-Encoding that does not end in chunked");
  if (codings.indexOf("chunked") !== codings.length - 1) return bad("chunked more than once");
  if (codings.length === 1 && transferEncoding.toLowerCase() === "chunked") return "chunked";
  return { code: "unsupported", message: "a transfer coding other than chunked" };
}

/** A body after CONNECT has no meaning, and its bytes would be taken for the tunnel's. */
function connectBody(section: FieldSection): 0 | HttpFault {
  const hasBody = section.transferEncoding !== undefined || (section.contentLength ?? "0") !== "0";
  return hasBody ? bad("a CONNECT with a body") : 0;
}

/** The host that counts; where the target names one, Host is made to agree (RFC 9112 §3.2.2). */
function settleAuthority(
  section: FieldSection,
  fromTarget: string | undefined,
  version: HttpVersion,
): string | HttpFault {
  const { host } = section;
  if (host === undefined && version === "1.1") return bad("an HTTP/1.1 request without Host");
  if (fromTarget === undefined) return host ?? "";
  if (host === undefined) section.fields.unshift("Host", fromTarget);
  else if (host !== fromTarget) {
    if (host !== "" && parseHostPort(host) === undefined) {
      return bad("a Host that is no host name and port");
    }
    for (let at = 0; at < section.fields.length; at += 2) {
      if (section.fields[at]?.toLowerCase() === "host") section.fields[at + 1] = fromTarget;
    }
  }
  return fromTarget;
}

function readUpgrade(
  section: FieldSection,
  version: HttpVersion,
  body: number | "chunked",
): string | undefined {
  const { upgrade } = section;
  if (upgrade === undefined || upgrade === "" || version === "1.0" || body !== 0) return undefined;
  if (!section.hasConnectionOption("upgrade") || hasListToken(upgrade, "h2c")) return undefined;
  return upgrade;
}

/** HTTP/1.0 clients cannot wait for a 100 (RFC 9110 §10.1.1); without a body nobody needs to. */
function readExpect(
  section: FieldSection,
  version: HttpVersion,
  body: number | "chunked",
): boolean {
  const { expect } = section;
  return version === "1.1" && body !== 0 && expect !== undefined
    ? hasListToken(expect, "100-continue")
    : false;
}

function readKeepAlive(section: FieldSection, version: HttpVersion): boolean {
  if (version === "1.1") return !section.hasConnectionOption("close");
  return section.hasConnectionOption("keep-alive") && !section.hasConnectionOption("close");
}
