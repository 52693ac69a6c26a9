/** The version of this program; test/kernel/version.test.ts holds it equal to package.json. */
export const version = "0.1.0";
