/** `/v1/buses/{bus}` as fastify writes it: `/v1/buses/:bus`. */
export function routePath(template: string): string {
  return template.replace(/\{([^}]+)\}/g, ":$1");
}
