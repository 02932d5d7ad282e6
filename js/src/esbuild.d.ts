// What esbuild understands and TypeScript does not.

declare module "*.css";

/** The default exports of all modules in a folder; see plugins.mjs. */
declare module "all:*" {
  const modules: unknown[];
  export default modules;
}
