import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CONTROL_PACKET_BYTES_MAX } from "../../../core/limits.ts";
import { encodeFrame, FrameDecoder } from "../../../transport/control/frames.ts";

/** Cuts `whole` at the given places, feeds the parts, and collects the frames. */
function decode(whole: Uint8Array, cuts: readonly number[]) {
  const decoder = new FrameDecoder();
  const frames: { type: number; payload: Uint8Array }[] = [];
  const places = [...new Set([0, ...cuts.map((cut) => cut % (whole.length + 1)), whole.length])];
  places.sort((one, other) => one - other);
  let wrong: string | undefined;
  for (let index = 1; index < places.length && wrong === undefined; index += 1) {
    const part = whole.slice(places[index - 1], places[index]);
    wrong = decoder.push(part, (type, payload) => frames.push({ type, payload }));
  }
  return { frames, wrong };
}

describe("frames of the control stream", () => {
  it("come out as they went in, however the bytes are cut", () => {
    const frame = fc.record({ type: fc.nat(255), payload: fc.uint8Array({ maxLength: 300 }) });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat()), (sent, cuts) => {
        const whole = Buffer.concat(sent.map(({ type, payload }) => encodeFrame(type, payload)));
        const { frames, wrong } = decode(whole, cuts);
        expect(wrong).toBeUndefined();
        expect(frames).toEqual(sent);
      }),
    );
  });

  it("never throw on other bytes, and never hand over more than was sent", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat()), (bytes, cuts) => {
        const { frames } = decode(bytes, cuts);
        const total = frames.reduce((sum, { payload }) => sum + payload.length + 5, 0);
        expect(total).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  it("of too great or no length are named", () => {
    const header = (length: number) => new Uint8Array(new Uint32Array([length]).buffer).reverse();
    const tooLong = new Uint8Array([...header(CONTROL_PACKET_BYTES_MAX + 2), 0]);
    expect(decode(tooLong, []).wrong).toMatch(/limit is 1048576/);
    expect(
      decode(new Uint8Array([...header(CONTROL_PACKET_BYTES_MAX + 1), 0]), []).wrong,
    ).toBeUndefined();
    expect(decode(new Uint8Array([0, 0, 0, 0, 0]), []).wrong).toBe("an empty frame");
  });
});
