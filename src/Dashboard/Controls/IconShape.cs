namespace Hexabase.DrConsole.Dashboard.Controls;

/// <summary>Line icons of things and actions, as SVG path data in a 16 by 16 box. States have <see cref="StatusIcon"/>.</summary>
public static class IconShape
{
    public const string Overview = "M8 1.8l5 1.9v4c0 3.2-2 5.3-5 6.5-3-1.2-5-3.3-5-6.5v-4zM5.8 8l1.6 1.6 2.9-3.1";
    public const string Sources = "M8 1.9c2.9 0 5 .8 5 1.9s-2.1 1.9-5 1.9-5-.8-5-1.9 2.1-1.9 5-1.9zM3 3.8v8.4c0 1.1 2.1 1.9 5 1.9s5-.8 5-1.9V3.8M3 8c0 1.1 2.1 1.9 5 1.9s5-.8 5-1.9";
    public const string Points = "M2 3.5h12M2 7h12M2 10.5h6M2 14h4M10 12l1.7 1.7 3-3.4";
    public const string Incidents = "M8 2.2l6.2 11.3H1.8zM8 6.3v3.6M8 11.6v.02";
    public const string Runs = "M2.7 6.2A5.7 5.7 0 1 1 2.3 8.6M2.3 3.2v3.2h3.2M6.8 5.9v4.2l3.3-2.1z";
    public const string Approvals = "M5 8V3.2a1 1 0 0 1 2 0V7M7 7V2.3a1 1 0 0 1 2 0V7M9 7V3a1 1 0 0 1 2 0v5M11 8V5a1 1 0 0 1 2 0v4.500a4.7 4.7 0 0 1-8.400 2.900L2.400 9.600a1 1 0 0 1 1.600-1.300L5 9.500";
    public const string Plans = "M4 2.500h8v11.500H4zM6.200 1.500h3.600v2H6.200zM6.200 6.500h3.600M6.200 9h3.600M6.200 11.500h2.200";
    public const string Drills = "M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4zM8 11.2a3.2 3.2 0 1 0 0-6.400 3.2 3.2 0 0 0 0 6.400zM8 8v.02M8 .8v2M8 13.2v2M.8 8h2M13.2 8h2";
    public const string Jobs = "M2.5 3.5h11v10.5h-11zM2.5 6.5h11M5.3 1.8v3M10.7 1.8v3M5.5 9.2h1M8.5 9.2h2";
    public const string Audit = "M6.5 5H5a3 3 0 0 0 0 6h1.5M9.5 5H11a3 3 0 0 1 0 6H9.5M6 8h4";
    public const string Settings = "M2 5h7M13 5h1M2 11h1M7 11h7M9 5a2 2 0 1 0 4 0 2 2 0 1 0-4 0M3 11a2 2 0 1 0 4 0 2 2 0 1 0-4 0";
    public const string Users = "M6 7.5a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2zM1.5 13.8c.3-2.7 2-4.3 4.5-4.3s4.2 1.6 4.5 4.3M11 2.6a2.5 2.5 0 0 1 0 4.7M12.3 9.9c1.3.7 2 2 2.2 3.9";
    public const string More = "M2.5 8a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0M7.5 8a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0M12.5 8a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0";
    public const string Search = "M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM10.7 10.7L14 14";
    public const string Sun = "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3.1 3.1l1 1M11.9 11.9l1 1M3.1 12.9l1-1M11.9 4.1l1-1";
    public const string Moon = "M13.3 9.7A5.8 5.8 0 0 1 6.3 2.7a5.7 5.7 0 1 0 7 7z";
    public const string System = "M2 3h12v8H2zM6 14h4M8 11v3";
    public const string Help = "M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4zM6.2 6.3a1.8 1.8 0 1 1 2.6 1.6c-.5.3-.8.6-.8 1.2M8 11.2v.02";
    public const string Close = "M3.5 3.5l9 9M12.5 3.5l-9 9";
    public const string ChevronDown = "M4 6l4 4 4-4";
    public const string Pause = "M5.5 3.5v9M10.5 3.5v9";
    public const string Stop = "M4 4h8v8H4z";
    public const string Play = "M5 3v10l8-5z";
    public const string Undo = "M3 6.5h6.5a3.5 3.5 0 0 1 0 7H7M5.8 3.5L2.8 6.5l3 3";
    public const string Lock = "M3.5 7h9v6.5h-9zM5.3 7V5a2.7 2.7 0 0 1 5.4 0v2";
    public const string Download = "M8 2v8M4.8 7L8 10.2 11.2 7M2.5 13.5h11";
    public const string SignOut = "M6 2.5H3v11h3M10 5l3 3-3 3M13 8H6";
    public const string Postgres = Sources;
    public const string Redis = "M8 2l6 2.7L8 7.4 2 4.7zM2 8l6 2.7L14 8M2 11.2l6 2.7 6-2.7";
    public const string Volume = "M3.8 3h8.4l1.8 6.5v3.5H2V9.5zM2 9.5h12M11.5 11.3h.02";
    public const string VCluster = "M8 1.7l5.4 3.150v6.3L8 14.3l-5.4-3.150v-6.3zM8 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4z";
    public const string TierHot = "M2.5 2h11v12h-11zM8 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM5 12h6";
    public const string TierWarm = "M2.5 4.5l1.2 9h8.6l1.2-9zM2 4.5h12M4 4.5V2.5h8v2";
    public const string TierCold = "M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4zM1.8 8h12.4M8 1.8c3.6 3.7 3.6 8.7 0 12.4M8 1.8c-3.6 3.7-3.6 8.7 0 12.4";
    public const string Engine = "M8 5.6a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM3.5 14a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM12.5 14a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM8 5.6v2.4M8 8L4.5 10.6M8 8l3.5 2.6";
    public const string Validator = "M3.5 1.8h6l3 3v9.4h-9zM9.5 1.8v3h3M5.8 9.5l1.5 1.5 2.9-3";
}
