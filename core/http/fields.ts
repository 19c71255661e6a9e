/**
 * Reads the field lines of a section and sorts them by what a proxy must do with each (RFC 9110
 * §7.6.1): framing and connection fields end here, those that Connection names end here as well,
 * `grapevine-*` fields are ours alone, and everything else goes on in its order and spelling. The
 * few fields that decide about framing or routing are noted on the way, so that nobody has to
 * search the list again.
 */
import { HEADER_FIELDS_MAX } from "../limits.ts";
import { type HttpFault, isToken, listTokens, trimBlanks } from "./syntax.ts";

/** Connection options that have their own meaning; any other names a field to remove. */
const CONNECTION_OPTIONS = new Set(["close", "keep-alive", "upgrade", "te"]);
/** Fields that Connection cannot remove: without them the message would mean something else. */
const NOT_REMOVABLE = new Set(["host", "content-length", "expect"]);

const OWN_PREFIX = "grapevine-";

export class FieldSection {
  /** End-to-end fields: names and values in turn. */
  fields: string[] = [];
  host: string | undefined;
  contentLength: string | undefined;
  /** All lines of the field, joined as one list; undefined where there is none. */
  transferEncoding: string | undefined;
  connection: string | undefined;
  upgrade: string | undefined;
  expect: string | undefined;
  keepAlive: string | undefined;
  /** From grapevine-key. */
  key: string | undefined;
  fault: HttpFault | undefined;

  /** True where `option` (lower case) is in the Connection field. */
  hasConnectionOption(option: string): boolean {
    const { connection } = this;
    if (connection === undefined) return false;
    return connection === option || listTokens(connection).includes(option);
  }
}

/** Reads the lines of `text` from `from` to the empty line. Faults are in the section. */
export function parseFields(text: string, from: number): FieldSection {
  const section = new FieldSection();
  let at = from;
  let count = 0;
  for (;;) {
    const end = text.indexOf("\r\n", at);
    if (end === at) break;
    count += 1;
    if (count > HEADER_FIELDS_MAX) {
      section.fault = {
        code: "header_too_large",
        message: `more than ${HEADER_FIELDS_MAX} header fields`,
      };
      return section;
    }
    const colon = text.indexOf(":", at);
    if (colon < 0 || colon > end || !isToken(text, at, colon)) {
      section.fault = lineFault(text, at, colon, end);
      return section;
    }
    const name = text.slice(at, colon);
    takeField(section, name, trimBlanks(text, colon + 1, end));
    if (section.fault !== undefined) return section;
    at = end + 2;
  }
  removeNominated(section);
  return section;
}

function lineFault(text: string, at: number, colon: number, end: number): HttpFault {
  const first = text.charCodeAt(at);
  if (first === 32 || first === 9) {
    return { code: "bad_request", message: "a folded header line" };
  }
  if (colon < 0 || colon > end) {
    return { code: "bad_request", message: "a header line without a colon" };
  }
  if (colon === at) return { code: "bad_request", message: "a header field without a name" };
  const before = text.charCodeAt(colon - 1);
  if (before === 32 || before === 9) {
    return { code: "bad_request", message: "white space between a field name and its colon" };
  }
  return { code: "bad_request", message: "a character that a field name may not have" };
}

/** Looks at a name's length first: most names are none of ours and need no folding of case. */
function takeField(section: FieldSection, name: string, value: string): void {
  switch (name.length) {
    case 2:
    case 4:
    case 6:
    case 7:
    case 10:
    case 14:
    case 16:
    case 17:
    case 18:
    case 19:
    case 25:
      if (takeKnown(section, name.toLowerCase(), name, value)) return;
      break;
  }
  const first = name.charCodeAt(0);
  if ((first === 0x67 || first === 0x47) && name.length > OWN_PREFIX.length) {
    if (takeOwn(section, name.toLowerCase(), value)) return;
  }
  section.fields.push(name, value);
}

/** True if the field must not go on as it is. */
function takeKnown(section: FieldSection, lower: string, name: string, value: string): boolean {
  switch (lower) {
    case "host":
      if (section.host !== undefined) {
        section.fault = { code: "bad_request", message: "several Host fields" };
      }
      section.host = value;
      return false;
    case "content-length":
      return takeContentLength(section, value);
    case "transfer-encoding":
      section.transferEncoding = join(section.transferEncoding, value);
      return true;
    case "connection":
      section.connection = join(section.connection, value.toLowerCase());
      return true;
    case "keep-alive":
      section.keepAlive = value;
      return true;
    case "upgrade":
      section.upgrade = join(section.upgrade, value);
      return true;
    case "expect":
      section.expect = join(section.expect, value);
      return false;
    case "te":
      // The one transfer coding that a next hop can be asked for without knowing this one.
      if (listTokens(value.toLowerCase()).includes("trailers"))
        section.fields.push(name, "trailers");
      return true;
    case "proxy-connection":
    case "proxy-authenticate":
    case "proxy-authorization":
    case "proxy-authentication-info":
      return true;
    default:
      return false;
  }
}

/** The same length twice is one length; two different ones are an attack or a broken sender. */
function takeContentLength(section: FieldSection, value: string): boolean {
  if (section.contentLength === undefined) {
    section.contentLength = value;
    return false;
  }
  if (section.contentLength !== value) {
    section.fault = { code: "bad_request", message: "several Content-Length fields that differ" };
  }
  return true;
}

function takeOwn(section: FieldSection, lower: string, value: string): boolean {
  if (!lower.startsWith(OWN_PREFIX)) return false;
  if (lower === "grapevine-key" && value !== "") {
    if (section.key !== undefined && section.key !== value) {
      section.fault = { code: "bad_request", message: "several grapevine-key fields that differ" };
    }
    section.key = value;
  }
  return true;
}

function join(list: string | undefined, value: string): string {
  return list === undefined ? value : `${list}, ${value}`;
}

function removeNominated(section: FieldSection): void {
  const { connection } = section;
  if (connection === undefined || CONNECTION_OPTIONS.has(connection)) return;
  const nominated = listTokens(connection).filter(
    (option) => !CONNECTION_OPTIONS.has(option) && !NOT_REMOVABLE.has(option),
  );
  if (nominated.length === 0) return;
  const kept: string[] = [];
  for (let at = 0; at < section.fields.length; at += 2) {
    const name = section.fields[at] as string;
    if (nominated.includes(name.toLowerCase())) continue;
    kept.push(name, section.fields[at + 1] as string);
  }
  section.fields = kept;
}

/** The trailers of a chunked body, or why they are not acceptable. */
export function parseTrailers(text: string): { fields: string[] } | { fault: HttpFault } {
  const section = parseFields(text, 0);
  if (section.fault !== undefined) return { fault: section.fault };
  // These could change how somebody else frames or routes the message.
  const framing =
    section.host !== undefined ||
    section.contentLength !== undefined ||
    section.transferEncoding !== undefined;
  if (framing) {
    return { fault: { code: "bad_request", message: "a framing or routing field as a trailer" } };
  }
  return { fields: section.fields };
}
