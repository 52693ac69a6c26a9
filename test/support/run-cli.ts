/** The command line in this process, with what it printed; no command starts a server. */
import { runCli } from "../../src/cli/cli.ts";

export interface Ran {
  readonly status: number;
  /** To standard output, bytes included. */
  readonly printed: string;
  /** To standard error. */
  readonly noticed: string;
  /** Both, in order. */
  readonly text: string;
}

/** `url` is where the commands look for a broker, as MILLRACE_URL says it. */
export async function millrace(argv: readonly string[], url?: string): Promise<Ran> {
  let [printed, noticed, text] = ["", "", ""];
  const print = (more: string): void => {
    printed += more;
    text += more;
  };
  const status = await runCli({
    argv,
    env: url === undefined ? {} : { MILLRACE_URL: url },
    version: "9.9.9",
    serve: {
      assertCanListen: () => Promise.resolve(),
      startHttpServer: () => Promise.reject(new Error("these tests run no server")),
      untilAskedToStop: () => Promise.resolve("SIGTERM"),
      announce: () => undefined,
    },
    output: {
      print: (line) => print(`${line}\n`),
      notice(line) {
        noticed += `${line}\n`;
        text += `${line}\n`;
      },
      write: (bytes) => Promise.resolve(print(Buffer.from(bytes).toString())),
    },
  });
  return { status, printed, noticed, text };
}
