"""What a night says of packages: as of which day they are, and what has been updated since the last night."""

from __future__ import annotations

from imagebuild.report import PackageNews, Report

_NAMED = 5  # packages in one line


def news_line(news: PackageNews) -> str:
    """Why to build: "2 packages updated: …"."""
    count = len(news.updated)
    more = f" and {count - _NAMED} more" if count > _NAMED else ""
    return f"{count} package{'s' * (count != 1)} updated: {'; '.join(map(str, news.updated[:_NAMED]))}{more}"


def as_it_stands(report: Report, news: PackageNews | None) -> PackageNews | None:
    """Of an image that stays: of its own day where nobody asked or nobody answered, else of the archive's."""
    own = report.packages.model_copy(update={"updated": (), "asked": False}) if report.packages else None
    if news is None or not news.because:
        return news or own
    return news.model_copy(update={"as_of": own.as_of, "count": own.count}) if own else news


def since_last_night(built: PackageNews | None, news: PackageNews | None) -> PackageNews | None:
    """What a worker built, who did not see the last night's image, and what the night knows of it."""
    if built is None or news is None:
        return built or news
    if news.because:
        return built.model_copy(update={"asked": True, "because": news.because})
    return built.model_copy(update={"updated": built.updated or news.updated})
