import type { EventRules, WebhookDefinition } from "../sources/webhook-definition.ts";

const owner = "{$.repository.owner.url}";

const installation: Partial<EventRules> = {
  source: "{$.installation.account.url}",
  subject: "{$.installation.id}",
  time: "{$.installation.updated_at}",
};

const alert: Partial<EventRules> = { subject: "{$.alert.number}", time: "{$.alert.updated_at}" };

/** A kind whose type has no suffix, though the body may have an action. */
function plain(kind: string): Pick<EventRules, "type"> {
  return { type: `com.github.${kind}` };
}

/**
 * GitHub. The rules follow the CloudEvents adapter for GitHub; kinds it does not know, and values
 * that are absent, fall back to the common rules. `{$.action}` is null or absent in some kinds.
 */
export const github: WebhookDefinition = {
  name: "github",
  summary: "Webhooks of GitHub repositories, organizations and apps",
  verify: [
    {
      kind: "hmac",
      algorithm: "sha256",
      header: "x-hub-signature-256",
      prefix: "sha256=",
      encoding: "hex",
    },
  ],
  contentTypes: {
    "application/json": { as: "json" },
    "application/x-www-form-urlencoded": { as: "form", field: "payload" },
  },
  requiredHeaders: ["x-github-event"],
  kind: "{h:x-github-event}",
  event: {
    type: "com.github.{h:x-github-event}[.{$.action}]",
    source: ["{$.repository.url}", "{$.organization.url}", "{$.sender.url}", "https://github.com"],
    // A delivery that is repeated keeps its id; without one the same body keeps the same.
    id: ["{h:x-github-delivery}", "{body|sha256}"],
  },
  kinds: {
    branch_protection_rule: { subject: "{$.rule.id}", time: "{$.rule.updated_at}" },
    check_run: {
      subject: "{$.check_run.id}",
      time: ["{$.check_run.completed_at}", "{$.check_run.started_at}"],
    },
    check_suite: { subject: "{$.check_suite.id}", time: "{$.check_suite.updated_at}" },
    code_scanning_alert: alert,
    commit_comment: {
      source: "{$.comment.url}/{$.comment.commit_id}",
      subject: "{$.comment.id}",
      time: "{$.comment.updated_at}",
    },
    create: { type: "com.github.create.{$.ref_type}", subject: "{$.ref}" },
    custom_property: {
      subject: "{$.definition.property_name}",
      time: "{$.definition.updated_at}",
    },
    delete: { type: "com.github.delete.{$.ref_type}", subject: "{$.ref}" },
    dependabot_alert: { subject: "{$.alert.id}", time: "{$.alert.updated_at}" },
    deploy_key: { subject: "{$.key.id}", time: ["{$.key.deleted_at}", "{$.key.created_at}"] },
    deployment: {
      ...plain("deployment"),
      subject: "{$.deployment.id}",
      time: "{$.deployment.updated_at}",
    },
    deployment_protection_rule: {
      source: "{$.deployment.url}",
      time: "{$.deployment.updated_at}",
    },
    deployment_review: {
      source: "{$.deployment.url}",
      subject: "{$.workflow_run.id}",
      time: "{$.workflow_run.updated_at}",
    },
    deployment_status: {
      type: "com.github.deployment_status.{$.deployment_status.state}",
      source: "{$.deployment.url}",
      subject: "{$.deployment_status.url}",
      time: "{$.deployment_status.updated_at}",
    },
    discussion: { subject: "{$.discussion.id}", time: "{$.discussion.updated_at}" },
    discussion_comment: { subject: "{$.discussion.id}", time: "{$.comment.updated_at}" },
    fork: { ...plain("fork"), subject: "{$.forkee.url}", time: "{$.forkee.created_at}" },
    github_app_authorization: {
      ...plain("github_app_authorization"),
      source: "{$.sender.url}",
    },
    gollum: plain("gollum"),
    installation,
    installation_repositories: installation,
    installation_target: installation,
    issue_comment: {
      source: "{$.issue.url}",
      subject: "{$.comment.id}",
      time: "{$.comment.updated_at}",
    },
    issues: { subject: "{$.issue.number}", time: "{$.issue.updated_at}" },
    label: { subject: "{$.label.name}" },
    marketplace_purchase: {
      source: "{$.sender.url|parent}",
      subject: "{$.marketplace_purchase.account.login}",
      time: "{$.effective_date}",
    },
    member: { subject: "{$.member.login}" },
    membership: {
      type: "com.github.membership.{$.scope}.{$.action}",
      source: "{$.team.url}",
      subject: "{$.member.login}",
    },
    merge_group: { subject: "{$.merge_group.head_ref}" },
    meta: { subject: "{$.hook_id}", time: "{$.hook.updated_at}" },
    milestone: { subject: "{$.milestone.number}", time: "{$.milestone.updated_at}" },
    organization: { source: "{$.organization.url}", subject: "{$.membership.user.login}" },
    org_block: { source: "{$.organization.url}", subject: "{$.blocked_user.login}" },
    package: { subject: "{$.package.id}", time: "{$.package.updated_at}" },
    page_build: {
      ...plain("page_build"),
      subject: "{$.build.url}",
      time: "{$.build.updated_at}",
    },
    project: { subject: "{$.project.id}", time: "{$.project.updated_at}" },
    project_card: { subject: "{$.project_card.id}", time: "{$.project_card.updated_at}" },
    project_column: { subject: "{$.project_column.id}", time: "{$.project_column.updated_at}" },
    projects_v2: { subject: "{$.projects_v2.id}", time: "{$.projects_v2.updated_at}" },
    projects_v2_item: {
      subject: "{$.projects_v2_item.id}",
      time: "{$.projects_v2_item.updated_at}",
    },
    projects_v2_status_update: {
      subject: "{$.projects_v2_status_update.id}",
      time: "{$.projects_v2_status_update.updated_at}",
    },
    public: {
      ...plain("public"),
      source: owner,
      subject: "{$.repository.name}",
      time: "{$.repository.updated_at}",
    },
    pull_request: { subject: "{$.number}", time: "{$.pull_request.updated_at}" },
    pull_request_review: {
      source: "{$.pull_request.url}",
      subject: "{$.review.id}",
      time: "{$.review.submitted_at}",
    },
    pull_request_review_comment: {
      source: "{$.pull_request.url}",
      subject: "{$.comment.id}",
      time: "{$.comment.updated_at}",
    },
    pull_request_review_thread: {
      source: "{$.pull_request.url}",
      subject: "{$.pull_request.id}",
      time: "{$.pull_request.updated_at}",
    },
    push: { ...plain("push"), subject: "{$.ref}" },
    registry_package: {
      subject: "{$.registry_package.html_url}",
      time: "{$.registry_package.updated_at}",
    },
    release: {
      subject: "{$.release.id}",
      time: ["{$.release.published_at}", "{$.release.created_at}"],
    },
    repository: {
      source: owner,
      subject: "{$.repository.name}",
      time: "{$.repository.updated_at}",
    },
    repository_advisory: {
      subject: "{$.repository_advisory.ghsa_id}",
      time: "{$.repository_advisory.updated_at}",
    },
    repository_dispatch: { source: owner },
    repository_import: {
      ...plain("repository_import"),
      source: owner,
      subject: "{$.repository.name}",
      time: "{$.repository.updated_at}",
    },
    repository_ruleset: {
      source: owner,
      time: "{$.repository_ruleset.updated_at}",
    },
    repository_vulnerability_alert: { subject: "{$.alert.id}" },
    secret_scanning_alert: alert,
    secret_scanning_alert_location: alert,
    security_advisory: {
      source: "github.com",
      subject: "{$.security_advisory.ghsa_id}",
      time: "{$.security_advisory.updated_at}",
    },
    security_and_analysis: plain("security_and_analysis"),
    sponsorship: { subject: "{$.sponsorship.sponsor.login}" },
    star: { time: "{$.starred_at}" },
    status: {
      type: "com.github.status.{$.state}",
      subject: "{$.sha}",
      time: "{$.updated_at}",
    },
    team: { subject: "{$.team.id}", time: "{$.team.updated_at}" },
    team_add: { subject: "{$.team.id}" },
    workflow_dispatch: { ...plain("workflow_dispatch"), subject: "{$.workflow}" },
    workflow_job: {
      subject: "{$.workflow_job.name}",
      time: ["{$.workflow_job.completed_at}", "{$.workflow_job.started_at}"],
    },
    workflow_run: { subject: "{$.workflow.name}", time: "{$.workflow_run.updated_at}" },
  },
};
