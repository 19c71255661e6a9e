/** grpc-js, plaintext, one channel: a unary method with bytes each way. */
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { type Caller, marked, type RpcPeer } from "../caller.ts";

interface Message {
  readonly payload: Buffer;
}

type Echo = (message: Message, done: (error: unknown, reply?: Message) => void) => void;

function serviceClass(): grpc.ServiceClientConstructor {
  const definition = loadSync(fileURLToPath(new URL("echo.proto", import.meta.url)));
  const { bench } = grpc.loadPackageDefinition(definition);
  return (bench as grpc.GrpcObject)["Echo"] as grpc.ServiceClientConstructor;
}

export const peer: RpcPeer = {
  async serve() {
    const server = new grpc.Server();
    server.addService(serviceClass().service, {
      echo(call: { request: Message }, done: (error: null, reply: Message) => void) {
        done(null, { payload: marked(call.request.payload) });
      },
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    return { contact: { port } };
  },
  async connect({ port }): Promise<Caller> {
    const Service = serviceClass();
    const client = new Service(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    const echo = (client as unknown as { readonly echo: Echo }).echo.bind(client);
    return {
      call: (payload, done) => echo({ payload }, (error, reply) => done(error, reply?.payload)),
    };
  },
};
